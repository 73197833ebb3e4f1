const MIB = 2 ** 20;

/** Larger files go in parts: what is sent again after a cut is then one part and not all of it. */
export const MULTIPART_BYTES_MIN = 16 * MIB;

// S3's limits are those of https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.

/** The least bytes of a part that is not the last one: 5 MiB. */
export const PART_BYTES_MIN = 5 * MIB;

/** The most bytes of a part: 5 GiB. */
export const PART_BYTES_MAX = 5 * 2 ** 30;

/** The most parts of an upload. */
export const PARTS_MAX = 10_000;

/** The largest object: 50 TB (API reference, CopyObject: "objects of up to 50 TB"). */
export const OBJECT_BYTES_MAX = 50n * 10n ** 12n;

/** For ordinary large files: small beside the memory budget, and a second on a slow line. */
const PART_BYTES = 8 * MIB;

/** Some parts are left over, so that no rounding comes near S3's limit. */
const PARTS_WANTED_MAX = 9_000;

/**
 * How large the parts of a file are: 8 MiB, or more whole MiB if there would be too many parts.
 * The same size always has the same answer, so that an upload can go on after a restart.
 * @param bytes the size of the file, at most OBJECT_BYTES_MAX
 */
export function partBytesOf(bytes: number): number {
  const wanted = Math.ceil(bytes / PARTS_WANTED_MAX / MIB) * MIB;
  return Math.min(Math.max(PART_BYTES, wanted), PART_BYTES_MAX);
}

/** One part of a file: its number, and where its bytes are. */
export interface PlannedPart {
  /** From 1. */
  readonly partNumber: number;
  readonly start: number;
  readonly bytes: number;
}

/** The parts of a file, in order; of an empty file, one empty part. */
export function* plannedParts(bytes: number, partBytes: number): Generator<PlannedPart> {
  let partNumber = 1;
  let start = 0;
  do {
    yield { partNumber, start, bytes: Math.min(partBytes, bytes - start) };
    partNumber += 1;
    start += partBytes;
  } while (start < bytes);
}
