import { mkdtempDisposable, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import fc from "fast-check";
import {
  ASIDE_DIRECTORY,
  asideName,
  isOwnName,
  isTooLongForAside,
  parseAside,
  QUARANTINE,
} from "../../../src/sweep/own-names.ts";

const HEX = "0123456789abcdef";
const RANDOM = Buffer.from(HEX, "hex");

/** A name of any bytes that Linux takes. */
const name = fc
  .uint8Array({ minLength: 1, maxLength: 255, size: "max" })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x5f : byte))))
  .filter((bytes) => ![".", ".."].includes(bytes.toString("latin1")));
const random = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes));

describe("the name of an aside", () => {
  it("tells the file's name, or its beginning and that it is cut, and fits into 255 bytes", () => {
    fc.assert(
      fc.property(name, random, (one, eight) => {
        const aside = asideName(one, eight);
        const isCut = one.length > 232;
        expect(aside.length).to.be.at.most(255);
        expect(isOwnName(aside)).to.equal(true);
        expect(isTooLongForAside(one)).to.equal(isCut);
        expect(parseAside(aside)).to.deep.equal({ name: one.subarray(0, 232), isCut });
      }),
    );
  });

  it("looks as documented: its form is read by people who clear up", () => {
    expect(asideName(Buffer.from("a.csv"), RANDOM).toString()).to.equal(`.s3oa-${HEX}-a.csv`);
    const long = asideName(Buffer.from("n".repeat(255)), RANDOM).toString();
    expect(long).to.equal(`.s3oa-${HEX}~${"n".repeat(232)}`);
  });

  for (const bytes of [232, 233, 240, 255]) {
    it(`of a name of ${bytes} bytes is one that the filesystem takes`, async () => {
      await using folder = await mkdtempDisposable(`${tmpdir()}/s3oa-names-`);
      const whole = Buffer.alloc(bytes, 0xff);
      expect(isTooLongForAside(whole)).to.equal(bytes > 232);
      const aside = asideName(whole, RANDOM);
      await writeFile(Buffer.concat([Buffer.from(`${folder.path}/`), aside]), "");
      expect(await readdir(folder.path, { encoding: "buffer" })).to.deep.equal([aside]);
    });
  }

  for (const pretender of [
    "",
    "a.csv",
    ".s3oa-",
    ".s3oa-quarantine",
    ".s3oa-aside",
    `.s3oa-${HEX}`,
    `.s3oa-${HEX}-`,
    `.s3oa-${HEX}~`,
    `.s3oa-${HEX}_a`,
    `.s3oa-${HEX.toUpperCase()}-a`,
    `.s3oa-${HEX.slice(1)}-a`,
    `.s3oa-0${HEX}-a`,
    `x.s3oa-${HEX}-a`,
    `.S3OA-${HEX}-a`,
    `s3oa-${HEX}-a`,
    `.s3oa-${HEX}-.`,
    `.s3oa-${HEX}-..`,
    `.s3oa-${HEX}~..`,
  ]) {
    it(`${pretender || "nothing"} is none`, () => {
      expect(parseAside(Buffer.from(pretender))).to.equal(undefined);
    });
  }

  for (const odd of ["...", "..a", ".a", "-", "~", "\n", "..\n", ".s3oa-x", "é", " "]) {
    it(`of ${JSON.stringify(odd)} gives that name back`, () => {
      const aside = asideName(Buffer.from(odd), RANDOM);
      expect(parseAside(aside)?.name.toString()).to.equal(odd);
    });
  }

  it("all of the agent's names are its own, and nobody else's is", () => {
    for (const own of [QUARANTINE, ASIDE_DIRECTORY, Buffer.from(".s3oa-")]) {
      expect(isOwnName(own)).to.equal(true);
    }
    for (const other of ["", ".s3oa", "s3oa-", ".S3oa-x", "x.s3oa-"]) {
      expect(isOwnName(Buffer.from(other)), other).to.equal(false);
    }
  });
});
