import { expect } from "chai";
import fc from "fast-check";
import {
  contentKey,
  type KeyParts,
  looksLikeContentKey,
  objectKey,
  prefixProblem,
} from "../../../src/sweep/object-key.ts";

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

  it("has none for bytes that are not UTF-8", () => {
    const invalid = [
      [0xff],
      [0xc3],
      [0xc3, 0x28],
      [0xed, 0xa0, 0x80],
      [0xc0, 0xaf],
      [0xf5, 0x80, 0x80, 0x80],
    ];
    for (const bytes of invalid)
      expect(objectKey(parts({ path: Buffer.from(bytes) }))).to.equal(undefined);
  });

  it("has none for control characters", () => {
    for (const code of [0x01, 0x09, 0x0a, 0x0d, 0x1b, 0x1f, 0x7f, 0x80, 0x9b, 0x9f]) {
      expect(objectKey(parts({ path: `a${String.fromCodePoint(code)}` })), `${code}`).to.equal(
        undefined,
      );
    }
    expect(objectKey(parts({ path: "a\u00a0é😀" }))).to.equal("a\u00a0é😀");
  });

  it("keeps a byte order mark, which is part of the name", () => {
    expect(objectKey(parts({ path: "\ufeffa" }))).to.equal("\ufeffa");
  });

  it("takes 1,024 bytes and no more, prefix and all, counted in UTF-8", () => {
    const prefix = "{host}/"; // 6 bytes when filled in
    expect(objectKey(parts({ prefix, path: "x".repeat(1_018) }))).to.have.length(1_024);
    expect(objectKey(parts({ prefix, path: "x".repeat(1_019) }))).to.equal(undefined);
    expect(objectKey(parts({ path: "é".repeat(512) }))).to.have.length(512);
    expect(objectKey(parts({ path: `${"é".repeat(512)}x` }))).to.equal(undefined);
  });

  it("never gives two paths the same key", () => {
    const path = fc.uint8Array({ minLength: 1, maxLength: 6 });
    const text = fc
      .string({ minLength: 1, maxLength: 4, unit: "grapheme" })
      .map((s) => Buffer.from(s));
    const any = fc.oneof(path, text);
    const prefix = fc.constantFrom("", "{host}/", "{yyyy}-{MM}/");
    fc.assert(
      fc.property(prefix, any, any, (prefix, one, other) => {
        fc.pre(Buffer.compare(one, other) !== 0);
        const keys = [one, other].map((path) =>
          objectKey(parts({ prefix, path: Buffer.from(path) })),
        );
        expect(keys[0] === undefined || keys[0] !== keys[1]).to.equal(true);
      }),
    );
  });

  it("keeps the name's bytes as they are: no normalization", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: "grapheme" }), (name) => {
        const key = objectKey(parts({ path: name }));
        if (key !== undefined) expect(Buffer.from(key)).to.deep.equal(Buffer.from(name));
      }),
    );
    expect(objectKey(parts({ path: "e\u0301" }))).not.to.equal(
      objectKey(parts({ path: "\u00e9" })),
    );
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

  it("has none where it would be longer than S3 takes", () => {
    expect(contentKey("x".repeat(1_024 - 40), H)).to.have.length(1_024);
    expect(contentKey("x".repeat(1_024 - 39), H)).to.equal(undefined);
  });

  it("always looks like a content key, so that no plain key is ever equal to one", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 50 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (key, digest) => {
          const made = contentKey(key, Buffer.from(digest).toString("hex"));
          expect(made !== undefined && looksLikeContentKey(made)).to.equal(true);
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
