/** S3 takes object keys of up to 1,024 bytes of UTF-8 (Amazon S3 User Guide, "Naming objects"). */
const KEY_BYTES_MAX = 1_024;

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
  if (text.startsWith("/"))
    return "must not start with a slash: the key would begin with an empty folder";
  if (text.includes("//")) return "must not contain two slashes in a row";
  if (/(^|\/)\.\.?(\/|$)/.test(text)) return "must not contain the segments `.` or `..`";
  if (Buffer.byteLength(text) > 512)
    return "must be at most 512 bytes, so that file names fit behind it";
  return undefined;
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
 * the watched directory. How that directory was written plays no part in it.
 * @returns undefined if S3 cannot carry the name as it is: bytes that are not UTF-8, control
 *   characters, or a key of more than 1,024 bytes
 */
export function objectKey(parts: KeyParts): string | undefined {
  const path = decodeUtf8(parts.path);
  if (path === undefined || hasControlCharacter(path)) return undefined;
  const key = expandPrefix(parts) + path;
  return Buffer.byteLength(key) <= KEY_BYTES_MAX ? key : undefined;
}

/** 128 bits: enough that no two contents will ever share them. */
const SUFFIX_HEX_DIGITS = 32;
const CONTENT_SUFFIX = /\.sha256-[0-9a-f]{32}$/;

/**
 * The key for a file whose own key is taken. It names its content, so a retry after a lost answer
 * finds the object that is already there, and two different files never share a key.
 * @param sha256 the content's digest, in hexadecimal
 * @returns undefined if the key would be longer than S3 takes
 */
export function contentKey(key: string, sha256: string): string | undefined {
  const suffixed = `${key}.sha256-${sha256.slice(0, SUFFIX_HEX_DIGITS)}`;
  return Buffer.byteLength(suffixed) <= KEY_BYTES_MAX ? suffixed : undefined;
}

/**
 * Whether a plain key looks like a content key. Such a file always goes to a content key of its
 * own: otherwise a producer could name a file so that its object stands where another content's
 * proof is looked for.
 */
export function looksLikeContentKey(key: string): boolean {
  return CONTENT_SUFFIX.test(key);
}

function expandPrefix(parts: KeyParts): string {
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

function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
