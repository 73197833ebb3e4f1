import { expect } from "chai";
import { type Fingerprint, isSameContent, isSameFile } from "../../../src/sweep/fingerprint.ts";

const FACTS: Fingerprint = {
  device: 1n,
  inode: 2n,
  bytes: 3n,
  mtimeNs: 4n,
  ctimeNs: 5n,
  links: 1n,
};

const changed = (name: keyof Fingerprint): Fingerprint => ({ ...FACTS, [name]: 9n });

describe("a fingerprint", () => {
  it("is that of the same content as long as each of them is: device, inode, size, mtime, links", () => {
    expect(isSameContent(FACTS, { ...FACTS })).to.equal(true);
    for (const name of ["device", "inode", "bytes", "mtimeNs", "links"] as const) {
      expect(isSameContent(FACTS, changed(name)), name).to.equal(false);
    }
    // The agent's own rename changes it.
    expect(isSameContent(FACTS, changed("ctimeNs"))).to.equal(true);
  });

  it("is that of the same file whatever became of its content", () => {
    for (const name of ["bytes", "mtimeNs", "ctimeNs", "links"] as const) {
      expect(isSameFile(FACTS, changed(name)), name).to.equal(true);
    }
    for (const name of ["device", "inode"] as const) {
      expect(isSameFile(FACTS, changed(name)), name).to.equal(false);
    }
  });
});
