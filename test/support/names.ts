import fc from "fast-check";

/** Bytes of a name: strings stand for their UTF-8, numbers for bytes. */
export function nameOf(...pieces: readonly (string | number)[]): Buffer {
  return Buffer.concat(
    pieces.map((one) => (typeof one === "number" ? Buffer.from([one]) : Buffer.from(one))),
  );
}

/** What names are made of that are hard to escape, and fragments of it. */
const PIECES: readonly Buffer[] = [
  ..."%%%%0123456789ABCDEFabf/. ".split("").map((one) => nameOf(one)),
  ...["%0A", "%25", "%2", "%FF", "%0a", "é", "語", "😀", "\ufeff", "\ufffd", "e\u0301"].map((one) =>
    nameOf(one),
  ),
  ...["\n", "\r", "\u007f", "\u0080", "\u009f", "\u00a0", "\ufffe", "\uffff", "\u{1ffff}"].map(
    (one) => nameOf(one),
  ),
  ...["\u200e", "\u2027", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069"].map((one) =>
    nameOf(one),
  ),
  ...[0x01, 0x80, 0x9f, 0xa8, 0xc0, 0xc2, 0xe2, 0xed, 0xef, 0xf0, 0xf4, 0xff].map((one) =>
    nameOf(one),
  ),
  nameOf(0xed, 0xa0, 0x80), // A lone high surrogate
  nameOf(0xed, 0xbf, 0xbf), // A lone low surrogate
  nameOf(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80), // A pair of them, as CESU-8 has it
  nameOf(0xc0, 0xaf), // An overlong slash
  nameOf(0xe0, 0x80, 0xaf),
  nameOf(0xf4, 0x90, 0x80, 0x80), // Above U+10FFFF
];

/** Paths of up to some thirty bytes that are likely to be confused with each other. */
export const hardPath: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      { arbitrary: fc.constantFrom(...PIECES), weight: 6 },
      { arbitrary: fc.integer({ min: 1, max: 255 }).map((one) => nameOf(one)), weight: 1 },
      {
        arbitrary: fc
          .string({ minLength: 1, maxLength: 2, unit: "grapheme" })
          .map((one) => nameOf(one)),
        weight: 1,
      },
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((pieces) => Buffer.concat(pieces));
