import { expect } from "chai";
import fc from "fast-check";
import { parseRevision } from "../../../src/config/fleet-facts.ts";
import {
  changesBetween,
  countParts,
  durationText,
  readRelease,
  VALUE_BYTES_MAX,
  writeRelease,
} from "../../../src/fleet/release.ts";
import { intervalMs, pagesOf, spreadMs } from "../../../src/fleet/spread.ts";
import { parseDuration } from "../../../src/lib/units.ts";

const about = { id: "r1", by: "alice@laptop", note: undefined, spreadMs: 900_000 };
const hosts = (count: number) =>
  new Map(Array.from({ length: count }, (_, n) => [`hosts/i-${n * 7919}/prefix`, `p${n}/`]));

/** Parts as SSM would have them after a first release. */
const partsOf = (parts: readonly string[]) => (index: number, version: number) =>
  version === 1 ? parts[index] : undefined;
const none = () => undefined;

describe("a release's record", () => {
  it("is read as it was written, whatever the values are, and hosts read its spread", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (said) => {
        const leaves = new Map(Object.entries(said));
        const { revision, parts } = writeRelease({ ...about, note: "why", leaves }, none);
        expect(revision).not.to.include("{{");
        const read = readRelease(revision, partsOf(parts));
        expect([...(read?.leaves ?? [])].sort()).to.eql([...leaves].sort());
        expect(read).to.deep.include({ ...about, note: "why" });
        expect(parseRevision(revision).spreadMs).to.equal(900_000);
      }),
    );
  });

  it("can be read by a person where it fits", () => {
    const { revision, parts } = writeRelease(
      { ...about, leaves: new Map([["prefix", "a/"]]) },
      none,
    );
    expect(revision).to.equal(
      '{"id":"r1","by":"alice@laptop","spread":"15m","leaves":{"prefix":"a/"}}',
    );
    expect(parts).to.eql([]);
  });

  it("fits into one parameter with two hundred values", () => {
    const { revision, parts } = writeRelease({ ...about, leaves: hosts(200) }, none);
    expect(parts).to.eql([]);
    expect(Buffer.byteLength(revision)).to.be.at.most(VALUE_BYTES_MAX);
    expect(readRelease(revision, none)?.leaves).to.eql(hosts(200));
  });

  it("has parts beyond that, named by the versions that they will have, for all that a fleet can have", () => {
    const leaves = hosts(9_000);
    const { revision, parts } = writeRelease({ ...about, leaves }, (index) => index + 4);
    expect(countParts(revision)).to.equal(parts.length);
    expect(parts.length).to.be.above(1);
    for (const text of [revision, ...parts]) {
      expect(Buffer.byteLength(text)).to.be.within(1, VALUE_BYTES_MAX);
    }
    const find = (index: number, version: number) =>
      version === index + 5 ? parts[index] : undefined;
    expect(readRelease(revision, find)?.leaves).to.eql(leaves);
    expect(readRelease(revision, none), "parts that are gone").to.equal(undefined);
    expect(() => writeRelease({ ...about, leaves: hosts(50_000) }, none)).to.throw(/50000 values/);
  });

  for (const text of [
    "go",
    "",
    "[]",
    "{}",
    '{"id":"a","by":"b"}',
    '{"id":"a","by":"b","leaves":"x"}',
    '{"id":"a","by":"b","leaves":{"c":1}}',
  ]) {
    it(`is none: ${text}`, () => {
      expect(readRelease(text, none)).to.equal(undefined);
    });
  }

  it("differs from another by what came, changed and went", () => {
    const [before, after] = [
      new Map([
        ["a", "1"],
        ["b", "1"],
      ]),
      new Map([
        ["b", "2"],
        ["c", "3"],
      ]),
    ];
    expect(changesBetween(before, after)).to.eql([
      { key: "a", from: "1", to: undefined },
      { key: "b", from: "1", to: "2" },
      { key: "c", from: undefined, to: "3" },
    ]);
  });
});

describe("the spread of a change", () => {
  it("is p·N/10 seconds, at most six hours", () => {
    expect(pagesOf(0, 0)).to.equal(2);
    expect(pagesOf(11, 10)).to.equal(3);
    expect(spreadMs(2, 1_000)).to.equal(200_000);
    expect(spreadMs(3, 100_000)).to.equal(6 * 3_600_000);
  });

  it("is written so that hosts read it", () => {
    for (const ms of [0, 1, 59_000, 60_000, 61_000, 3_600_000, 21_600_000]) {
      expect(parseDuration(durationText(ms))).to.equal(Math.ceil(ms / 1_000) * 1_000);
    }
  });

  it("goes with a refresh interval of N/10 seconds, at least ten minutes", () => {
    expect(intervalMs(6_000)).to.equal(600_000);
    expect(intervalMs(6_001)).to.equal(660_000);
    expect(intervalMs(100_000)).to.equal(10_020_000);
  });
});
