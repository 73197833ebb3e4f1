import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { tryLock } from "../../../src/lib/kernel.ts";
import { deviceText, lockHolders, parseLocks } from "../../../src/lib/lock-holder.ts";

const TEXT = `1: POSIX  ADVISORY  WRITE 100 fe:00:77 0 EOF
2: FLOCK  ADVISORY  WRITE 200 fe:00:77 0 EOF
2: -> FLOCK  ADVISORY  WRITE 201 fe:00:77 0 EOF
3: FLOCK  ADVISORY  READ  300 fe:00:77 0 EOF
4: FLOCK  ADVISORY  WRITE 400 00:2b:77 0 EOF
5: FLOCK  ADVISORY  WRITE 500 fe:00:7 0 EOF
6: FLOCK  ADVISORY  WRITE 0 fe:00:770 0 EOF
`;

describe("who holds a lock", () => {
  it("is whoever has an exclusive flock, not who waits for it, shares it or has another kind", () => {
    expect(parseLocks(TEXT, { device: "fe:00", inode: 77n })).to.deep.equal([
      { pid: 200, isSameDevice: true },
      { pid: 400, isSameDevice: false },
    ]);
  });

  for (const [device, text] of [
    [0xfe00n, "fe:00"],
    [0x0802n, "08:02"],
    [0x2bn, "00:2b"],
    [0x10300n, "103:00"],
    [0x100005n, "00:105"],
  ] as const) {
    it(`on device ${device} is written ${text}`, () => {
      expect(deviceText(device)).to.equal(text);
    });
  }

  it("is told by the kernel of a real directory, while it is held", async () => {
    const folder = await mkdtemp(join(tmpdir(), "s3-offload-locks-"));
    try {
      expect(await lockHolders(folder)).to.deep.equal([]);
      const directory = await open(folder);
      expect(tryLock(directory.fd)).to.equal(true);
      expect((await lockHolders(folder)).map(({ pid }) => pid)).to.deep.equal([process.pid]);
      await directory.close();
      expect(await lockHolders(folder)).to.deep.equal([]);
      expect((await stat(folder)).isDirectory()).to.equal(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
