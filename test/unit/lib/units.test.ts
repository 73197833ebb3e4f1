import { expect } from "chai";
import fc from "fast-check";
import { formatBytes, formatDuration, parseBytes, parseDuration } from "../../../src/lib/units.ts";

const DURATIONS: readonly (readonly [text: string, ms: number | undefined])[] = [
  ["0s", 0],
  ["250ms", 250],
  ["30s", 30_000],
  ["10m", 600_000],
  ["1.5h", 5_400_000],
  ["2d", 172_800_000],
  [" 5 m ", 300_000],
  ["30", undefined],
  ["", undefined],
  ["s", undefined],
  ["-1s", undefined],
  ["1e3s", undefined],
  ["1.s", undefined],
  ["10 M", undefined],
  ["1h30m", undefined],
  ["9007199254740993ms", undefined],
  ["1constructor", undefined],
];

const SIZES: readonly (readonly [text: string, bytes: number | undefined])[] = [
  ["0B", 0],
  ["512B", 512],
  ["1KB", 1_000],
  ["64KiB", 65_536],
  ["1.5GiB", 1_610_612_736],
  ["2 MB", 2_000_000],
  ["1024", undefined],
  ["1kb", undefined],
  ["1TB", undefined],
];

const WRITTEN_DURATIONS: readonly (readonly [ms: number, text: string])[] = [
  [-5, "0s"],
  [0, "0s"],
  [0.2, "1ms"],
  [250, "250ms"],
  [1_000, "1s"],
  [59_999, "1m"],
  [598_000, "9m 58s"],
  [3_600_000, "1h"],
  [90_061_000, "1d 1h"],
];

const WRITTEN_SIZES: readonly (readonly [bytes: number, text: string])[] = [
  [0, "0 B"],
  [1_023, "1023 B"],
  [1_024, "1.0 KiB"],
  [12_595, "12.3 KiB"],
  [5 * 2 ** 30, "5.0 GiB"],
  [3_000 * 2 ** 40, "3000.0 TiB"],
];

describe("units", () => {
  for (const [text, ms] of DURATIONS) {
    it(`reads the duration ${JSON.stringify(text)} as ${ms}`, () => {
      expect(parseDuration(text)).to.equal(ms);
    });
  }

  for (const [text, bytes] of SIZES) {
    it(`reads the size ${JSON.stringify(text)} as ${bytes}`, () => {
      expect(parseBytes(text)).to.equal(bytes);
    });
  }

  for (const [ms, text] of WRITTEN_DURATIONS) {
    it(`writes ${ms} ms as ${text}`, () => {
      expect(formatDuration(ms)).to.equal(text);
    });
  }

  for (const [bytes, text] of WRITTEN_SIZES) {
    it(`writes ${bytes} bytes as ${text}`, () => {
      expect(formatBytes(bytes)).to.equal(text);
    });
  }

  it("never takes a bare number, whose unit nobody knows", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (amount) => {
        expect(parseDuration(String(amount))).to.equal(undefined);
        expect(parseBytes(String(amount))).to.equal(undefined);
      }),
    );
  });

  it("reads a written duration back to within the smaller of its two units", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 * 86_400_000 }), (ms) => {
        const parts = formatDuration(ms).split(" ");
        expect(parts.length).to.be.within(1, 2);
        const read = parts.reduce((sum, part) => sum + (parseDuration(part) ?? Number.NaN), 0);
        // Days and hours: off by less than an hour; hours and minutes: by less than a minute.
        const slack = ms >= 86_399_500 ? 3_600_000 : ms >= 3_599_500 ? 60_000 : 1_000;
        expect(Math.abs(read - ms)).to.be.lessThan(slack);
      }),
    );
  });

  it("reads a written size back to within a twentieth of its unit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 39 }), (bytes) => {
        const read = parseBytes(formatBytes(bytes)) ?? Number.NaN;
        expect(Math.abs(read - bytes)).to.be.at.most(1 + bytes * 0.051);
      }),
    );
  });
});
