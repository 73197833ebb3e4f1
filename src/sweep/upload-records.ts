import type { Destination } from "./object-store.ts";

/** What an upload in parts is of. One that was begun for anything else is of no use. */
export interface UploadSubject {
  /** Real path of the watched directory. */
  readonly root: Buffer;
  /** The file's path in it. */
  readonly path: Buffer;
  readonly inode: bigint;
  readonly bytes: bigint;
  readonly mtimeNs: bigint;
  readonly destination: Destination;
  /** The file's own key, whichever key it is uploaded under. */
  readonly key: string;
  /** The size of every part but the last. */
  readonly partBytes: number;
}

/** An upload that was begun in the store. */
export interface BegunUpload {
  readonly uploadId: string;
  /** The key that it was begun under. */
  readonly key: string;
  /** If that is a content key: the content's SHA-256, in hexadecimal. */
  readonly sha256: string | undefined;
}

/** A part that the store has acknowledged. */
export interface RecordedPart {
  readonly partNumber: number;
  readonly bytes: number;
  readonly etag: string;
  /** In base64. */
  readonly crc32: string;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** An object that the store has acknowledged. */
export interface ProvedObject {
  readonly key: string;
  /** Of the whole content, in hexadecimal. */
  readonly sha256: string;
}

/** How far an upload has got. */
export interface UploadProgress {
  readonly begun: BegunUpload | undefined;
  readonly parts: ReadonlyMap<number, RecordedPart>;
  /** Whether a completion may have been sent. */
  readonly isCompleting: boolean;
  readonly proved: ProvedObject | undefined;
}

export const NO_PROGRESS: UploadProgress = {
  begun: undefined,
  parts: new Map(),
  isCompleting: false,
  proved: undefined,
};

// The records of a state, in the order in which they can come. A `created` or a `proved` comes
// right behind the `file`: the whole log is written anew for it.

/** The first record: what the state is of. The same subject always has the same text. */
export function fileRecord(subject: UploadSubject) {
  const { root, path, inode, bytes, mtimeNs, destination, key, partBytes } = subject;
  const { bucket, storageClass, kmsKeyId, bucketOwner } = destination;
  const tags = Object.fromEntries(
    Object.entries(destination.tags).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
  return {
    kind: "file",
    root: root.toString("base64"),
    path: path.toString("base64"),
    inode: String(inode),
    bytes: String(bytes),
    mtimeNs: String(mtimeNs),
    destination: { bucket, storageClass, kmsKeyId, tags, bucketOwner },
    key,
    partBytes,
  };
}

export function createdRecord(begun: BegunUpload) {
  return { kind: "created", ...begun };
}

export function partRecord(part: RecordedPart) {
  return { kind: "part", ...part };
}

export function completingRecord() {
  return { kind: "completing" };
}

export function provedRecord(proved: ProvedObject) {
  return { kind: "proved", ...proved };
}

/** Whether two states are of the same file, unchanged, for the same destination. */
export function isSameSubject(one: UploadSubject, other: UploadSubject): boolean {
  return JSON.stringify(fileRecord(one)) === JSON.stringify(fileRecord(other));
}

/**
 * Reads the records of a state. Pure.
 * @returns undefined if they are none, or not in this order
 */
export function parseRecords(
  records: readonly unknown[],
): { readonly subject: UploadSubject; readonly progress: UploadProgress } | undefined {
  const [first, ...others] = records;
  const subject = parseSubject(first);
  if (subject === undefined) return undefined;
  let begun: BegunUpload | undefined;
  let proved: ProvedObject | undefined;
  let isCompleting = false;
  const parts = new Map<number, RecordedPart>();
  for (const record of others) {
    const fields = fieldsOf(record);
    const kind = fields?.["kind"];
    if (kind === "created" && begun === undefined) begun = parseBegun(fields);
    else if (kind === "proved" && begun === undefined) proved = parseProved(fields);
    else if (kind === "completing" && begun !== undefined) isCompleting = true;
    else if (kind === "part" && begun !== undefined) {
      const part = parsePart(fields);
      if (part === undefined) return undefined;
      parts.set(part.partNumber, part);
    } else return undefined;
    if (begun === undefined && proved === undefined) return undefined;
  }
  return { subject, progress: { begun, parts, isCompleting, proved } };
}

type Fields = Readonly<Record<string, unknown>> | undefined;

function fieldsOf(value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return value as Record<string, unknown>;
}

function parseSubject(record: unknown): UploadSubject | undefined {
  const fields = fieldsOf(record);
  const destination = parseDestination(fields?.["destination"]);
  const partBytes = fields?.["partBytes"];
  const [root, path, inode, bytes, mtimeNs, key] = texts(fields, [
    "root",
    "path",
    "inode",
    "bytes",
    "mtimeNs",
    "key",
  ]);
  if (fields?.["kind"] !== "file" || destination === undefined || key === undefined) {
    return undefined;
  }
  if (!isCount(partBytes) || root === undefined || path === undefined) return undefined;
  if (![inode, bytes, mtimeNs].every((text) => /^-?\d{1,20}$/.test(text ?? ""))) return undefined;
  return {
    root: Buffer.from(root, "base64"),
    path: Buffer.from(path, "base64"),
    inode: BigInt(inode ?? 0),
    bytes: BigInt(bytes ?? 0),
    mtimeNs: BigInt(mtimeNs ?? 0),
    destination,
    key,
    partBytes,
  };
}

function parseDestination(value: unknown): Destination | undefined {
  const fields = fieldsOf(value);
  const names = ["bucket", "storageClass", "kmsKeyId", "bucketOwner"];
  const [bucket, storageClass, kmsKeyId, bucketOwner] = texts(fields, names);
  const tags = Object.entries(fieldsOf(fields?.["tags"]) ?? {});
  if (bucket === undefined || storageClass === undefined) return undefined;
  if (kmsKeyId === undefined || bucketOwner === undefined) return undefined;
  if (!tags.every(([, tag]) => typeof tag === "string")) return undefined;
  const textTags = Object.fromEntries(tags) as Record<string, string>;
  return { bucket, storageClass, kmsKeyId, bucketOwner, tags: textTags };
}

function parseBegun(fields: Fields): BegunUpload | undefined {
  const [uploadId, key, sha256] = texts(fields, ["uploadId", "key", "sha256"]);
  if (uploadId === undefined || key === undefined) return undefined;
  return { uploadId, key, sha256 };
}

function parseProved(fields: Fields): ProvedObject | undefined {
  const [key, sha256] = texts(fields, ["key", "sha256"]);
  return key === undefined || sha256 === undefined ? undefined : { key, sha256 };
}

function parsePart(fields: Fields): RecordedPart | undefined {
  const [etag, crc32, sha256] = texts(fields, ["etag", "crc32", "sha256"]);
  const partNumber = fields?.["partNumber"];
  const bytes = fields?.["bytes"];
  if (etag === undefined || crc32 === undefined || sha256 === undefined) return undefined;
  if (!isCount(partNumber) || !isCount(bytes)) return undefined;
  return { partNumber, bytes, etag, crc32, sha256 };
}

function texts(fields: Fields, names: readonly string[]): (string | undefined)[] {
  return names.map((name) => {
    const value = fields?.[name];
    return typeof value === "string" ? value : undefined;
  });
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
