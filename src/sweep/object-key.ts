import { createHash } from "node:crypto";
import { hasUnseen } from "../lib/unseen.ts";
import { escapePath } from "./escape-path.ts";

/** S3 takes object keys of up to 1,024 bytes of UTF-8 (Amazon S3 User Guide, "Naming objects"). */
const KEY_BYTES_MAX = 1_024;

/** 128 bits: enough that no two contents and no two paths will ever share them. */
const DIGEST_HEX_DIGITS = 32;
const CONTENT = /\.sha256-[0-9a-f]{32}$/;
const SHORTENED = /\.name-[0-9a-f]{32}$/;

/** What a file's own key may take, so that a content suffix always fits behind it: 984 bytes. */
const OWN_KEY_BYTES_MAX = KEY_BYTES_MAX - ".sha256-".length - DIGEST_HEX_DIGITS;

/** What a prefix may contain in braces, with what stands for it in the key. */
const PLACEHOLDERS = ["host", "fleet", "yyyy", "MM", "dd", "HH"] as const;
type Placeholder = (typeof PLACEHOLDERS)[number];

/**
 * Checks a prefix template such as `{host}/{yyyy}/{MM}/`.
 * @returns what is wrong with it, or undefined
 */
export function prefixProblem(template: string): string | undefined {
  for (const [, name = ""] of template.matchAll(/\{([^{}]*)\}/g)) {
    if (!isPlaceholder(name)) {
      return `unknown placeholder {${name}}: use ${PLACEHOLDERS.map((p) => `{${p}}`).join(" ")}`;
    }
  }
  const text = template.replace(/\{[^{}]*\}/g, "x");
  if (/[{}]/.test(text)) return "a brace has no partner";
  if (hasControlCharacter(text)) return "must not contain control characters";
  if (hasUnseen(text)) {
    return "must not contain characters that are not seen, or that turn the direction of text";
  }
  if (/(^|\/)\s|\s(\/|$)/.test(text)) return "must not have a space beside a slash or at an end";
  if (/^["']|["']$/.test(text)) return "must not begin or end with a quote";
  if (/^none$/i.test(text)) return "must be none in lower case, or end with a slash";
  if (template.includes("${")) return "has a dollar before a brace: write {host} without it";
  if (text.startsWith("/"))
    return "must not start with a slash: the key would begin with an empty folder";
  if (text.includes("//")) return "must not contain two slashes in a row";
  if (/(^|\/)\.\.?(\/|$)/.test(text)) return "must not contain the segments `.` or `..`";
  const longest = template.replace(/\{([^{}]*)\}/g, (_, name: string) =>
    "x".repeat(longestOf(name)),
  );
  if (Buffer.byteLength(longest) > 512)
    return "must be at most 512 bytes with its placeholders filled in, so that file names fit behind it";
  return undefined;
}

/** A host's id and a fleet's name have up to 128 characters, a year four and the rest two. */
function longestOf(placeholder: string): number {
  if (placeholder === "host" || placeholder === "fleet") return 128;
  return placeholder === "yyyy" ? 4 : 2;
}

/** What an object key is made of. */
export interface KeyParts {
  readonly prefix: string;
  readonly host: string;
  readonly fleet: string;
  /** The file's mtime in milliseconds since 1970; date placeholders are its UTC date. */
  readonly mtimeMs: number;
  /** The file's path relative to the watched directory, as the bytes the kernel gave. */
  readonly path: Buffer;
}

/**
 * The object key of a file: the prefix with its placeholders filled in, then the path relative to
 * the watched directory, escaped as `escape-path.ts` says. How that directory was written plays no
 * part in it. A key that leaves no room for a content suffix is shortened: it is cut, and ends in
 * `.name-` and the first half of the path's SHA-256.
 *
 * Two paths below the same prefix, as it is filled in, never share a key, nor does one of them ever
 * get an object of the other:
 *
 * - Two plain keys differ because the escaped paths do.
 * - Two shortened keys differ in 128 bits of a SHA-256 of the whole path.
 * - A plain key never looks like a shortened one: if it would, it is shortened as well.
 * - A content key is the key, a fixed suffix and a digest of fixed length, so those of two keys
 *   differ. It never looks like a shortened key, and a key that looks like a content key is never
 *   used without a content suffix of its own; see `looksLikeContentKey`.
 *
 * @returns 1 to 984 bytes of UTF-8
 */
export function objectKey(parts: KeyParts): string {
  const key = expandPrefix(parts) + escapePath(parts.path);
  const isPlain = Buffer.byteLength(key) <= OWN_KEY_BYTES_MAX && !SHORTENED.test(key);
  return isPlain ? key : shorten(key, parts.path);
}

function shorten(key: string, path: Buffer): string {
  const digest = createHash("sha256").update(path).digest("hex");
  const suffix = `.name-${digest.slice(0, DIGEST_HEX_DIGITS)}`;
  return cut(key, OWN_KEY_BYTES_MAX - suffix.length) + suffix;
}

/** The longest beginning of a key that fits and ends neither inside a character nor inside a `%XX`. */
function cut(key: string, bytesMax: number): string {
  const bytes = Buffer.from(key);
  if (bytes.length <= bytesMax) return key;
  let end = bytesMax;
  // Bytes of the form 10xxxxxx continue a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  for (const start of [end - 1, end - 2]) {
    const isEscape = /^%[0-9A-F]{2}$/.test(bytes.toString("latin1", start, start + 3));
    if (isEscape) return bytes.toString("utf8", 0, start);
  }
  return bytes.toString("utf8", 0, end);
}

/**
 * The key for a file whose own key is taken. It names its content, so a retry after a lost answer
 * finds the object that is already there, and two different files never share a key.
 * @param key what `objectKey` gave
 * @param sha256 the content's digest, in hexadecimal
 * @returns at most 1,024 bytes of UTF-8
 */
export function contentKey(key: string, sha256: string): string {
  return `${key}.sha256-${sha256.slice(0, DIGEST_HEX_DIGITS)}`;
}

/**
 * Whether a key looks like a content key. Such a file always goes to a content key of its
 * own: otherwise a producer could name a file so that its object stands where another content's
 * proof is looked for.
 */
export function looksLikeContentKey(key: string): boolean {
  return CONTENT.test(key);
}

/** The prefix of a file's key, with its placeholders filled in. */
export function expandPrefix(parts: Omit<KeyParts, "path">): string {
  const date = new Date(parts.mtimeMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const values: Record<Placeholder, string> = {
    host: parts.host,
    fleet: parts.fleet,
    yyyy: String(date.getUTCFullYear()).padStart(4, "0"),
    MM: two(date.getUTCMonth() + 1),
    dd: two(date.getUTCDate()),
    HH: two(date.getUTCHours()),
  };
  return parts.prefix.replace(/\{([^{}]*)\}/g, (braced, name: string) =>
    isPlaceholder(name) ? values[name] : braced,
  );
}

function isPlaceholder(name: string): name is Placeholder {
  return (PLACEHOLDERS as readonly string[]).includes(name);
}

function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
