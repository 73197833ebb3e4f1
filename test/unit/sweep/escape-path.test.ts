import { expect } from "chai";
import fc from "fast-check";
import { escapePath, unescapePath } from "../../../src/sweep/escape-path.ts";
import { hardPath, nameOf } from "../../support/names.ts";

/** What escaped text never holds. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069\ufffe\uffff]/u;

describe("escapePath", () => {
  const table: readonly (readonly [Buffer, string])[] = [
    // Readable names stay.
    [nameOf("a.log"), "a.log"],
    [nameOf("d/e/a b.log"), "d/e/a b.log"],
    [nameOf("+?#&=;:@,!$'()*[]{}~\"<>|\\^`"), "+?#&=;:@,!$'()*[]{}~\"<>|\\^`"],
    [nameOf("é"), "é"],
    [nameOf("e\u0301"), "e\u0301"],
    [nameOf("語/😀.csv"), "語/😀.csv"],
    [nameOf("\u00a0"), "\u00a0"],
    [nameOf("\ufeffa"), "\ufeffa"],
    [nameOf("\ufffd"), "\ufffd"],
    [nameOf("\ufdd0\u{1fffe}\u{10ffff}"), "\ufdd0\u{1fffe}\u{10ffff}"],
    [
      nameOf("\u061c\u200d\u200e\u200f\u2027\u202f\u2065\u206a"),
      "\u061c\u200d\u200e\u200f\u2027\u202f\u2065\u206a",
    ],
    // A percent sign.
    [nameOf("%"), "%"],
    [nameOf("%%"), "%%"],
    [nameOf("100%.csv"), "100%.csv"],
    [nameOf("100%"), "100%"],
    [nameOf("5%A"), "5%A"],
    [nameOf("%0a"), "%0a"],
    [nameOf("%aF"), "%aF"],
    [nameOf("%G0"), "%G0"],
    [nameOf("%0A"), "%250A"],
    [nameOf("%25"), "%2525"],
    [nameOf("%250A"), "%25250A"],
    [nameOf("%%0A"), "%%250A"],
    [nameOf("%2%0A"), "%2%250A"],
    [nameOf("%EF%BB%BF"), "%25EF%25BB%25BF"],
    [nameOf("%0A/%41"), "%250A/%2541"],
    // A percent sign before an escape.
    [nameOf("%\n"), "%%0A"],
    [nameOf("%0\n"), "%0%0A"],
    [nameOf("%", 0xff, "0A"), "%%FF0A"],
    [nameOf("%A", 0xc3), "%A%C3"],
    [nameOf("%\u0085"), "%%C2%85"],
    // Characters that cannot be carried, or that mislead.
    [nameOf("\n"), "%0A"],
    [nameOf("a\u0001b"), "a%01b"],
    [nameOf("\t\r\u001b[2J"), "%09%0D%1B[2J"],
    [nameOf("\u001f \u007e\u007f"), "%1F ~%7F"],
    [nameOf("\u0080\u009f\u00a0"), "%C2%80%C2%9F\u00a0"],
    [nameOf("\ufffe\uffff"), "%EF%BF%BE%EF%BF%BF"],
    [nameOf("\u2028\u2029"), "%E2%80%A8%E2%80%A9"],
    [nameOf("a\u202egpj.exe"), "a%E2%80%AEgpj.exe"],
    [nameOf("\u2066\u2069"), "%E2%81%A6%E2%81%A9"],
    // Bytes that are not UTF-8.
    [nameOf(0xff), "%FF"],
    [nameOf("caf", 0xe9, ".txt"), "caf%E9.txt"],
    [nameOf(0x80), "%80"],
    [nameOf(0xc3, "("), "%C3("],
    [nameOf(0xe8, 0xaa), "%E8%AA"],
    [nameOf(0xe8, 0xaa, "é"), "%E8%AAé"],
    [nameOf("é", 0xa9), "é%A9"],
    [nameOf(0xc0, 0xaf), "%C0%AF"],
    [nameOf(0xc1, 0xbf), "%C1%BF"],
    [nameOf(0xe0, 0x9f, 0xbf), "%E0%9F%BF"],
    [nameOf(0xe0, 0xa0, 0x80), "\u0800"],
    [nameOf(0xed, 0x9f, 0xbf), "\ud7ff"],
    [nameOf(0xed, 0xa0, 0x80), "%ED%A0%80"],
    [nameOf(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80), "%ED%A0%BD%ED%B8%80"],
    [nameOf(0xf0, 0x8f, 0xbf, 0xbf), "%F0%8F%BF%BF"],
    [nameOf(0xf0, 0x9f, 0x98, "x"), "%F0%9F%98x"],
    [nameOf(0xf4, 0x90, 0x80, 0x80), "%F4%90%80%80"],
    [nameOf(0xf5, 0x80, 0x80, 0x80), "%F5%80%80%80"],
  ];
  for (const [path, text] of table) {
    it(`${path.toString("hex")} is ${JSON.stringify(text)}, and back`, () => {
      expect(escapePath(path)).to.equal(text);
      expect(unescapePath(text).toString("hex")).to.equal(path.toString("hex"));
    });
  }

  it("can be undone, so that no two paths have the same text", () => {
    fc.assert(
      fc.property(fc.oneof(hardPath, fc.uint8Array().map(Buffer.from)), (path) => {
        expect(unescapePath(escapePath(path)).toString("hex")).to.equal(path.toString("hex"));
      }),
      { numRuns: 20_000 },
    );
  });

  it("gives every name of one, two or three hard bytes a text of its own", () => {
    const bytes = [0x0a, 0x25, 0x30, 0x41, 0x61, 0x7f, 0x80, 0x85, 0xa8, 0xc2, 0xe2, 0xed, 0xff];
    const ends = [[], ...bytes.map((one) => [one])];
    const paths = bytes.flatMap((one) =>
      ends.flatMap((two) => ends.map((three) => [one, ...two, ...three])),
    );
    const distinct = new Set(paths.map((path) => path.join()));
    const texts = new Set(
      [...distinct].map((path) => escapePath(Buffer.from(path.split(",").map(Number)))),
    );
    expect(texts.size).to.equal(distinct.size);
  });

  it("holds nothing that a key, a record or a terminal could not carry", () => {
    fc.assert(
      fc.property(hardPath, (path) => {
        const text = escapePath(path);
        expect(text).not.to.match(FORBIDDEN);
        expect(text.isWellFormed()).to.equal(true);
        expect(Buffer.byteLength(text)).to.be.at.most(3 * path.length);
        expect(text.split("/")).to.have.length(path.toString("latin1").split("/").length);
      }),
      { numRuns: 5_000 },
    );
  });

  it("leaves text as it is, unless it is hard", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        fc.pre(!FORBIDDEN.test(text) && !/%[0-9A-F]{2}/.test(text));
        expect(escapePath(Buffer.from(text))).to.equal(text);
      }),
    );
  });
});
