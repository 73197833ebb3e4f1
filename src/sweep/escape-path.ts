/*
 * Linux takes any bytes but NUL and the slash in a name. S3 keys, JSON records and terminals do
 * not, so all of them see a path in this escaped form:
 *
 * 1. A byte that is no part of well-formed UTF-8 becomes `%XX`, upper-case hexadecimal. Overlong
 *    forms, surrogates and code points above U+10FFFF are not well-formed.
 * 2. So does every byte of a character that cannot be carried or that misleads its reader; see
 *    ESCAPED below.
 * 3. A `%` that two upper-case hexadecimal digits follow in the name becomes `%25`.
 * 4. Everything else stays as it is, without normalization.
 *
 * Why that can be undone: a `%` that stays is not followed by two such digits in the name. What
 * follows it in the text is either what follows it in the name, or an escape, which begins with
 * `%`. So it is not followed by two digits in the text either, and each `%XX` of the text is an
 * escape. Two escapes never overlap, because `%` is no digit. Replacing each by its byte therefore
 * gives the name back, and two different names never have the same text.
 */

/** Names of printable ASCII without `%`: all but a few, and nothing to do. */
const PLAIN = /^[ -$&-~]*$/;

/**
 * - U+0000-001F, U+007F, U+0080-009F: control characters. XML 1.0, in which S3 lists keys, cannot
 *   carry most of them, and a terminal obeys them.
 * - U+FFFE, U+FFFF: no characters of XML 1.0 (https://www.w3.org/TR/xml/#charsets).
 * - U+2028, U+2029: some readers of text end a line there.
 * - U+202A-202E, U+2066-2069: bidirectional embeddings, overrides and isolates show the text around
 *   them in another order, so that one name looks like another (Unicode UAX #9 and TR #36). The
 *   marks U+061C, U+200E and U+200F stay: ordinary names of right-to-left scripts have them, and
 *   they reorder no letters.
 */
const ESCAPED = /%(?=[0-9A-F]{2})|[\p{Cc}\u2028-\u202e\u2066-\u2069\ufffe\uffff]/gu;

/** Well-formed sequences of more than one byte (The Unicode Standard, table 3-7), one byte a character. */
const SEQUENCE = [
  "[\\xc2-\\xdf][\\x80-\\xbf]",
  "\\xe0[\\xa0-\\xbf][\\x80-\\xbf]",
  "[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}",
  "\\xed[\\x80-\\x9f][\\x80-\\xbf]",
  "\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}",
  "[\\xf1-\\xf3][\\x80-\\xbf]{3}",
  "\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}",
].join("|");

/** As much well-formed UTF-8 as there is, or one byte that is none. */
const RUN = new RegExp(`((?:[\\x00-\\x7f]|${SEQUENCE})+)|[\\x80-\\xff]`, "g");

/** The escaped form of each byte: a name may be thousands of bytes that all need it. */
const ESCAPES = Array.from(
  { length: 256 },
  (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
);

/** One escape in a text. */
const ESCAPE = /%([0-9A-F]{2})/g;

/**
 * A path as text that a key, a record and a terminal can carry: readable where the name is, and
 * never the same for two paths.
 * @param path any bytes
 * @returns well-formed Unicode without control characters; at most three times as many bytes
 */
export function escapePath(path: Buffer): string {
  const bytes = path.toString("latin1");
  if (PLAIN.test(bytes)) return bytes;
  return bytes.replace(RUN, (run, text: string | undefined) =>
    text === undefined
      ? escapeBytes(Buffer.from(run, "latin1"))
      : Buffer.from(text, "latin1")
          .toString("utf8")
          .replace(ESCAPED, (character) => escapeBytes(Buffer.from(character))),
  );
}

/**
 * The path that `escapePath` made the text of.
 * @param text what `escapePath` gave; of any other text, too, each `%XX` becomes a byte
 */
export function unescapePath(text: string): Buffer {
  const bytes = Buffer.from(text).toString("latin1");
  const raw = bytes.replace(ESCAPE, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return Buffer.from(raw, "latin1");
}

function escapeBytes(bytes: Buffer): string {
  let text = "";
  for (const byte of bytes) text += ESCAPES[byte];
  return text;
}
