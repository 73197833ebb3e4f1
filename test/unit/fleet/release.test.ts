import { expect } from "chai";
import fc from "fast-check";
import { parseRevision } from "../../../src/config/fleet-facts.ts";
import {
  changesBetween,
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

describe("a release's record", () => {
  it("is read as it was written, whatever the values are, and hosts read its spread", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (said) => {
        const leaves = new Map(Object.entries(said));
        const text = writeRelease({ ...about, note: "why", leaves });
        expect(text).not.to.include("{{");
        const read = readRelease(text);
        expect([...(read?.leaves ?? [])].sort()).to.eql([...leaves].sort());
        expect(read).to.deep.include({ ...about, note: "why" });
        expect(parseRevision(text).spreadMs).to.equal(900_000);
      }),
    );
  });

  it("can be read by a person where it fits", () => {
    const text = writeRelease({ ...about, leaves: new Map([["prefix", "a/"]]) });
    expect(text).to.equal(
      '{"id":"r1","by":"alice@laptop","spread":"15m","leaves":{"prefix":"a/"}}',
    );
  });

  it("fits into one parameter with two hundred values, and tells when there are too many", () => {
    const text = writeRelease({ ...about, leaves: hosts(200) });
    expect(Buffer.byteLength(text)).to.be.at.most(VALUE_BYTES_MAX);
    expect(readRelease(text)?.leaves).to.eql(hosts(200));
    expect(() => writeRelease({ ...about, leaves: hosts(5_000) })).to.throw(/5000 values take \d+/);
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
      expect(readRelease(text)).to.equal(undefined);
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
