import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { tryLock } from "../../../src/lib/kernel.ts";

const KERNEL = new URL("../../../src/lib/kernel.ts", import.meta.url).href;

/** Locks the directory that its argument names, says so, and lives until it is killed. */
const HOLDER = `
  import { openSync } from "node:fs";
  import { tryLock } from ${JSON.stringify(KERNEL)};
  process.stdout.write(String(tryLock(openSync(process.argv[1], "r"))));
  setInterval(() => {}, 60_000);
`;

describe("tryLock", () => {
  let directory = "";
  const open: number[] = [];

  const openDirectory = () => {
    const fd = openSync(directory, "r");
    open.push(fd);
    return fd;
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "s3-offload-lock-"));
  });

  afterEach(() => {
    for (const fd of open.splice(0)) closeSync(fd);
    rmSync(directory, { recursive: true });
  });

  it("refuses a second open of the same directory until the first is closed", () => {
    const first = openSync(directory, "r");
    const second = openDirectory();
    expect(tryLock(first)).to.equal(true);
    expect(tryLock(second)).to.equal(false);
    closeSync(first);
    expect(tryLock(second)).to.equal(true);
  });

  it("gives the lock again to the descriptor that has it", () => {
    const fd = openDirectory();
    expect([tryLock(fd), tryLock(fd)]).to.deep.equal([true, true]);
  });

  it("throws, and does not say that somebody holds it, for what cannot be locked", () => {
    const fd = openSync(directory, "r");
    closeSync(fd);
    expect(() => tryLock(fd)).to.throw("EBADF");
  });

  it("is free again when the process that holds it is killed by SIGKILL", async () => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", HOLDER, directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    try {
      const [said] = await once(child.stdout, "data");
      expect(String(said)).to.equal("true");
      const fd = openDirectory();
      expect(tryLock(fd)).to.equal(false);
      child.kill("SIGKILL");
      await ended;
      expect(tryLock(fd)).to.equal(true);
    } finally {
      child.kill("SIGKILL");
      await ended;
    }
  });
});
