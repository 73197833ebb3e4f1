import { closeSync, constants, openSync } from "node:fs";
import { lstat, mkdir, mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import {
  bootTimeMs,
  holdsReadLease,
  releaseLease,
  renameExclusive,
  takeReadLease,
} from "../../../src/lib/kernel.ts";
import { startModule, startShell } from "../../support/child.ts";

const KERNEL = import.meta.resolve("../../../src/lib/kernel.ts");
const KOFFI = import.meta.resolve("koffi");

/** Maps a file, shared and for writing, closes it and lives on until it hears a line. */
const MAPPER = `
import { openSync, closeSync } from "node:fs";
import koffi from ${JSON.stringify(KOFFI)};
const mmap = koffi.load("libc.so.6").func("void *mmap(void *, size_t, int, int, int, int64_t)");
const fd = openSync(process.argv[1], "r+");
mmap(null, 1, 3, 1, fd, 0);
closeSync(fd);
process.stdout.write("mapped\\n");
process.stdin.once("data", () => process.exit(0));
`;

/** Asks for a lease on a file of root's, as nobody if it is root. */
const STRANGER = `
import { openSync } from "node:fs";
import { takeReadLease } from ${JSON.stringify(KERNEL)};
if (process.getuid() === 0) process.setuid(65534);
process.stdout.write(JSON.stringify(takeReadLease(openSync("/etc/passwd", "r"))) + "\\n");
`;

async function makeFile() {
  const folder = await mkdtempDisposable(`${tmpdir()}/s3oa-kernel-`);
  const path = `${folder.path}/f`;
  await writeFile(path, "content");
  const opened: number[] = [];
  return {
    folder: folder.path,
    path,
    open(flags: string | number = "r") {
      const fd = openSync(path, flags);
      opened.push(fd);
      return fd;
    },
    async [Symbol.asyncDispose]() {
      for (const fd of opened) closeSync(fd);
      await folder.remove();
    },
  };
}

describe("a read lease", () => {
  before(() => process.on("SIGIO", nothing));
  after(() => process.off("SIGIO", nothing));
  const nothing = () => undefined;

  it("is held on a file that nobody writes, until it is given up", async () => {
    await using file = await makeFile();
    const fd = file.open();
    expect(holdsReadLease(fd)).to.equal(false);
    expect(takeReadLease(fd)).to.deep.equal({ kind: "held" });
    expect(holdsReadLease(fd)).to.equal(true);
    releaseLease(fd);
    expect(holdsReadLease(fd)).to.equal(false);
  });

  it("is no hindrance to readers, and they are none to it", async () => {
    await using file = await makeFile();
    file.open();
    const fd = file.open();
    expect(takeReadLease(fd)).to.deep.equal({ kind: "held" });
    expect(await readFile(file.path, "utf8")).to.equal("content");
    expect(holdsReadLease(fd)).to.equal(true);
  });

  for (const redirection of [">>", "<>"]) {
    it(`is busy while another process has the file open with ${redirection}`, async () => {
      await using file = await makeFile();
      const fd = file.open();
      await using writer = startShell(`exec 3${redirection}"$1"; echo open; read _`, file.path);
      expect(await writer.line()).to.equal("open");
      expect(takeReadLease(fd)).to.deep.equal({ kind: "busy" });
      writer.say("end");
      await writer.ended();
      expect(takeReadLease(fd)).to.deep.equal({ kind: "held" });
    });
  }

  it("is busy while another process has the file mapped for writing, closed as it is", async () => {
    await using file = await makeFile();
    const fd = file.open();
    await using writer = startModule(MAPPER, file.path);
    expect(await writer.line()).to.equal("mapped");
    expect(takeReadLease(fd)).to.deep.equal({ kind: "busy" });
    writer.say("end");
    await writer.ended();
    expect(takeReadLease(fd)).to.deep.equal({ kind: "held" });
  });

  it("is busy while this process itself can write to the file", async () => {
    await using file = await makeFile();
    file.open(constants.O_RDWR);
    expect(takeReadLease(file.open())).to.deep.equal({ kind: "busy" });
  });

  it("is refused for another user's file without CAP_LEASE", async () => {
    await using stranger = startModule(STRANGER);
    expect(JSON.parse((await stranger.line()) ?? "")).to.deep.equal({
      kind: "refused",
      code: "EACCES",
    });
  });

  it("is refused for what is no regular file, or not open", async () => {
    await using file = await makeFile();
    const fd = openSync(file.folder, "r");
    expect(takeReadLease(fd)).to.deep.equal({ kind: "refused", code: "EINVAL" });
    closeSync(fd);
    expect(takeReadLease(fd)).to.deep.equal({ kind: "refused", code: "EBADF" });
    expect(holdsReadLease(fd)).to.equal(false);
  });
});

describe("renameExclusive", () => {
  const odd = Buffer.from([0xff, 0xfe, 0x0a, 0x25]);

  async function makeDirectories() {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await mkdtempDisposable(`${tmpdir()}/s3oa-rename-`));
    await mkdir(`${folder.path}/a`);
    await mkdir(`${folder.path}/b`);
    const [a, b] = [openSync(`${folder.path}/a`, "r"), openSync(`${folder.path}/b`, "r")];
    stack.defer(() => closeSync(a));
    stack.defer(() => closeSync(b));
    const all = stack.move();
    const names = async (one: string) =>
      (await readdir(`${folder.path}/${one}`, { encoding: "buffer" })) as Buffer[];
    return { path: folder.path, a, b, names, [Symbol.asyncDispose]: () => all.disposeAsync() };
  }

  it("renames from one open directory to another, byte for byte", async () => {
    await using at = await makeDirectories();
    await writeFile(Buffer.concat([Buffer.from(`${at.path}/a/`), odd]), "1");
    renameExclusive({ fd: at.a, name: odd }, { fd: at.b, name: Buffer.concat([odd, odd]) });
    expect(await at.names("a")).to.deep.equal([]);
    expect(await at.names("b")).to.deep.equal([Buffer.concat([odd, odd])]);
  });

  it("never replaces a file, a directory or a dangling link", async () => {
    await using at = await makeDirectories();
    await writeFile(`${at.path}/a/f`, "mine");
    await writeFile(`${at.path}/b/file`, "theirs");
    await mkdir(`${at.path}/b/directory`);
    await using _ = startShell('ln -s nowhere "$1"', `${at.path}/b/link`);
    await _.ended();
    for (const name of ["file", "directory", "link"]) {
      const rename = () =>
        renameExclusive(
          { fd: at.a, name: Buffer.from("f") },
          { fd: at.b, name: Buffer.from(name) },
        );
      expect(rename, name).to.throw("EEXIST").with.property("code", "EEXIST");
    }
    expect(await readFile(`${at.path}/a/f`, "utf8")).to.equal("mine");
    expect(await readFile(`${at.path}/b/file`, "utf8")).to.equal("theirs");
    expect((await lstat(`${at.path}/b/link`)).isSymbolicLink()).to.equal(true);
  });

  it("says what the system says", async () => {
    await using at = await makeDirectories();
    const rename = (from: string, to: string) => () =>
      renameExclusive({ fd: at.a, name: Buffer.from(from) }, { fd: at.b, name: Buffer.from(to) });
    expect(rename("absent", "x")).to.throw().with.property("code", "ENOENT");
    await writeFile(`${at.path}/a/f`, "");
    expect(rename("f", "n".repeat(256)))
      .to.throw()
      .with.property("code", "ENAMETOOLONG");
  });
});

describe("bootTimeMs", () => {
  it("is what the kernel says of the time since boot, and never goes back", async () => {
    let before = bootTimeMs();
    const uptime = Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]) * 1_000;
    // proc(5) tells hundredths of a second, cut off.
    expect(uptime).to.be.within(before - 10, bootTimeMs());
    for (let count = 0; count < 10_000; count += 1) {
      const now = bootTimeMs();
      if (now < before) expect(now).to.be.at.least(before);
      before = now;
    }
  });

  it("has fractions of a millisecond, so that it does not stand still", () => {
    const seen = new Set(Array.from({ length: 1_000 }, () => bootTimeMs()));
    expect([...seen].some((ms) => !Number.isInteger(ms))).to.equal(true);
  });
});
