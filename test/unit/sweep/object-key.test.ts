import { expect } from "chai";
import fc from "fast-check";
import { escapePath, unescapePath } from "../../../src/sweep/escape-path.ts";
import {
  contentKey,
  type KeyParts,
  looksLikeContentKey,
  objectKey,
  prefixProblem,
} from "../../../src/sweep/object-key.ts";
import { sha256Of } from "../../support/memory-store.ts";
import { hardPath, nameOf } from "../../support/names.ts";

const parts = (
  changes: Partial<Omit<KeyParts, "path">> & { path?: string | Buffer },
): KeyParts => ({
  prefix: "",
  host: "web-1",
  fleet: "shop",
  mtimeMs: Date.UTC(2026, 0, 2, 3, 59, 59),
  ...changes,
  path: Buffer.from((changes.path ?? "a.log") as string),
});

const H = "0123456789abcdef".repeat(4);

describe("objectKey", () => {
  it("is the prefix and the relative path", () => {
    expect(objectKey(parts({ prefix: "{host}/", path: "d/a b.log" }))).to.equal("web-1/d/a b.log");
  });

  it("fills in every placeholder, dates in UTC whatever the host's time zone is", () => {
    const prefix = "{fleet}/{host}/{yyyy}/{MM}/{dd}/{HH}/{host}-";
    const before = process.env["TZ"];
    try {
      for (const zone of ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"]) {
        process.env["TZ"] = zone;
        expect(objectKey(parts({ prefix }))).to.equal("shop/web-1/2026/01/02/03/web-1-a.log");
      }
    } finally {
      if (before === undefined) delete process.env["TZ"];
      else process.env["TZ"] = before;
    }
  });

  it("does not look for placeholders in what it filled in, nor in names", () => {
    const key = objectKey(parts({ prefix: "{host}/", host: "{fleet}$&", path: "{host}$1" }));
    expect(key).to.equal("{fleet}$&/{host}$1");
  });

  it("escapes what a key cannot carry, below a prefix that is not escaped", () => {
    expect(objectKey(parts({ prefix: "100%41/", path: nameOf("a\n", 0xff) }))).to.equal(
      "100%41/a%0A%FF",
    );
  });

  it("gives the path back when the prefix is taken away", () => {
    fc.assert(
      fc.property(hardPath, (path) => {
        const key = objectKey(parts({ prefix: "{host}/", path }));
        expect(unescapePath(key.slice("web-1/".length))).to.deep.equal(path);
      }),
    );
  });

  it("keeps the name's bytes as they are: no normalization", () => {
    expect(objectKey(parts({ path: "e\u0301" }))).not.to.equal(
      objectKey(parts({ path: "\u00e9" })),
    );
  });
});

describe("objectKey of a long path", () => {
  const suffixOf = (path: string | Buffer) => `.name-${sha256Of(path).slice(0, 32)}`;
  const long = (length: number, end = "") => "x".repeat(length - end.length) + end;

  const table: readonly (readonly [string, string | Buffer, string | Buffer])[] = [
    ["984 bytes stay", long(984), long(984)],
    ["985 bytes are cut to 946", long(985), long(946)],
    ["the path's other end does not count", long(4_000, ".csv"), long(946)],
    ["a character that fits whole stays", `${long(944)}é${long(40)}`, `${long(944)}é`],
    ["a character of two bytes is not cut", `${long(945)}é${long(40)}`, long(945)],
    ["nor one of four, after its first byte", `${long(945)}😀${long(40)}`, long(945)],
    ["nor after its third", `${long(943)}😀${long(40)}`, long(943)],
    ["an escape that fits whole stays", `${long(943)}\n${long(40)}`, `${long(943)}%0A`],
    ["an escape is not cut after its percent sign", `${long(945)}\n${long(40)}`, long(945)],
    ["nor after its first digit", `${long(944)}\n${long(40)}`, long(944)],
    ["a percent sign that is none may be the end", `${long(945)}%x${long(40)}`, `${long(945)}%`],
    ["bytes count as escaped", Buffer.alloc(400, 0xff), "%FF".repeat(315)],
    ["characters count in UTF-8", "é".repeat(493), "é".repeat(473)],
  ];
  for (const [what, path, kept] of table) {
    it(what, () => {
      const expected = kept === path ? path : `${kept}${suffixOf(path)}`;
      expect(objectKey(parts({ path }))).to.equal(expected);
    });
  }

  it("counts the prefix, as it is filled in", () => {
    const prefix = "{host}/"; // 6 bytes when filled in
    const path = "x".repeat(979);
    expect(objectKey(parts({ prefix, path: "x".repeat(978) }))).to.have.length(984);
    expect(objectKey(parts({ prefix, path }))).to.equal(
      `web-1/${"x".repeat(940)}${suffixOf(path)}`,
    );
  });

  it("is shortened as well where a short name looks like a shortened key", () => {
    const path = `a.name-${"0".repeat(32)}`;
    expect(objectKey(parts({ path }))).to.equal(path + suffixOf(path));
    const digits = "0".repeat(32);
    expect(objectKey(parts({ prefix: "a.name-", path: digits }))).to.equal(
      `a.name-${digits}${suffixOf(digits)}`,
    );
    for (const other of [`a.name-${"0".repeat(31)}`, `a.name-${"0".repeat(33)}`, `${path}.gz`]) {
      expect(objectKey(parts({ path: other }))).to.equal(other);
    }
  });

  it("has at most 984 bytes of well-formed text, and 1,024 with its content suffix", () => {
    const length = fc.integer({ min: 300, max: 1_100 });
    fc.assert(
      fc.property(hardPath, hardPath, length, (start, path, length) => {
        const padded = Buffer.concat([start, Buffer.alloc(length, path)]);
        const key = objectKey(parts({ prefix: "{host}/", path: padded }));
        expect(key.isWellFormed()).to.equal(true);
        expect(Buffer.byteLength(key)).to.be.at.most(984);
        expect(Buffer.byteLength(contentKey(key, H))).to.be.at.most(1_024);
        const beginning = key.slice("web-1/".length).replace(/\.name-[0-9a-f]{32}$/, "");
        const whole = escapePath(padded);
        expect(whole.startsWith(beginning)).to.equal(true);
        // Undone, the beginning is a beginning of the path: nothing was cut in two.
        const undone = unescapePath(beginning);
        expect(padded.subarray(0, undone.length).equals(undone)).to.equal(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("keys below one prefix", () => {
  const prefix = fc.constantFrom("", "{host}/", "{yyyy}-{MM}/", "x.name-", "%", "%0");
  const digest = fc.constantFrom("0", "1").map((one) => one.repeat(64));
  const padded = fc
    .tuple(hardPath, fc.integer({ min: 940, max: 1_000 }), hardPath)
    .map(([start, length, end]) => Buffer.concat([Buffer.alloc(length, "x"), start, end]));
  const path = fc.oneof({ arbitrary: hardPath, weight: 3 }, { arbitrary: padded, weight: 1 });

  /** A path that is made to be taken for the other one: named like its key, or nearly so. */
  function imitate(key: string, other: Buffer, digest: string, how: number): Buffer {
    const text = escapePath(other);
    const imitations = [
      () => Buffer.from(key),
      () => Buffer.from(contentKey(key, digest)),
      () => Buffer.from(contentKey(text, digest)),
      () => Buffer.from(text),
      () => unescapePath(text.replaceAll("%25", "%")),
      () => Buffer.concat([other, Buffer.from(`.name-${sha256Of(other).slice(0, 32)}`)]),
      () => Buffer.concat([other, Buffer.from("x")]),
    ];
    return imitations[how % imitations.length]?.() ?? other;
  }

  /** Every key that an upload of the file may put to; see `upload`. */
  function keysOf(prefix: string, path: Buffer, digests: readonly string[]): string[] {
    const key = objectKey(parts({ prefix, path }));
    const own = looksLikeContentKey(key) ? [] : [key];
    return [...own, ...digests.map((one) => contentKey(key, one))];
  }

  it("are never shared by two paths, however they imitate each other", () => {
    fc.assert(
      fc.property(
        prefix,
        path,
        fc.oneof(
          path.map((other) => () => other),
          fc.tuple(fc.nat(6), digest).map(
            ([how, digest]) =>
              (key: string, one: Buffer) =>
                imitate(key, one, digest, how),
          ),
        ),
        (prefix, one, make) => {
          const key = objectKey(parts({ prefix, path: one }));
          const stripped = key.slice(objectKey(parts({ prefix, path: "." })).length - 1);
          const other = make(stripped, one);
          fc.pre(!one.equals(other));
          const digests = ["0".repeat(64), "1".repeat(64)];
          const keys = [one, other].flatMap((path) => keysOf(prefix, path, digests));
          expect(new Set(keys).size).to.equal(keys.length);
        },
      ),
      { numRuns: 10_000 },
    );
  });

  it("differ for long paths that differ only behind the cut", () => {
    const keys = ["a", "b", "\n"].map((end) => objectKey(parts({ path: "x".repeat(1_000) + end })));
    expect(new Set(keys).size).to.equal(3);
  });
});

describe("prefixProblem", () => {
  for (const good of [
    "",
    "a/",
    "{host}/",
    "{fleet}/{host}/{yyyy}/{MM}/{dd}/{HH}/",
    "a",
    "a.b/..c/",
    "x{host}",
    "a".repeat(512),
  ]) {
    it(`takes "${good.slice(0, 50)}"`, () => expect(prefixProblem(good)).to.equal(undefined));
  }
  const bad: readonly (readonly [string, RegExp])[] = [
    ["{hots}/", /unknown placeholder \{hots\}: use \{host\} \{fleet\}/],
    ["{}", /unknown placeholder/],
    ["{HOST}", /unknown placeholder/],
    ["{toString}", /unknown placeholder/],
    ["{host", /brace/],
    ["host}/", /brace/],
    ["{{host}}", /brace/],
    ["/a", /slash/],
    ["a//b", /two slashes/],
    ["./a", /segments/],
    ["a/../b", /segments/],
    ["..", /segments/],
    ["a/.", /segments/],
    ["a\n/", /control/],
    ["a\u0085/", /control/],
    ["a".repeat(513), /512 bytes/],
    ["é".repeat(257), /512 bytes/],
  ];
  for (const [prefix, problem] of bad) {
    it(`refuses ${JSON.stringify(prefix).slice(0, 50)}`, () =>
      expect(prefixProblem(prefix)).to.match(problem));
  }
});

describe("contentKey", () => {
  it("names the content with 128 bits of its digest", () => {
    expect(contentKey("d/a", H)).to.equal("d/a.sha256-0123456789abcdef0123456789abcdef");
  });

  it("always looks like a content key, so that no plain key is ever equal to one", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 50 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (key, digest) => {
          const made = contentKey(key, Buffer.from(digest).toString("hex"));
          expect(looksLikeContentKey(made)).to.equal(true);
        },
      ),
    );
  });
});

describe("looksLikeContentKey", () => {
  const hex = H.slice(0, 32);
  const table: readonly (readonly [string, boolean])[] = [
    [`x.sha256-${hex}`, true],
    [`d/.sha256-${hex}`, true],
    [`x.sha256-${hex}.sha256-${hex}`, true],
    [`x.sha256-${hex}0`, false],
    [`x.sha256-${hex.slice(1)}`, false],
    [`x.sha256-${hex.toUpperCase()}`, false],
    [`x.sha256-${hex}.gz`, false],
    [`x-sha256-${hex}`, false],
    ["x", false],
  ];
  for (const [key, expected] of table) {
    it(`${key}: ${expected}`, () => expect(looksLikeContentKey(key)).to.equal(expected));
  }
});
