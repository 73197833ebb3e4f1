import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { ByteBudget } from "../lib/byte-budget.ts";
import type { Marks } from "../lib/progress.ts";
import type { Destination, Failed, Gone, ObjectStore, StoredPart } from "./object-store.ts";
import { type PlannedPart, plannedParts } from "./part-plan.ts";
import { crc32Text, FileChangedError, type PartContent, readPart } from "./read-file.ts";
import type { Retries } from "./request-retries.ts";
import { NOT_PROVED } from "./upload.ts";
import type { RecordedPart } from "./upload-records.ts";
import type { UploadState } from "./upload-states.ts";

/** Parts of a file that are sent at once: one connection seldom fills a line. */
export const WORKERS = 4;

/** Larger parts are not held in memory but read twice: to hash them, then to send them. */
export const HELD_PART_BYTES_MAX = 16 * 2 ** 20;

/** What a part that is read twice takes meanwhile: some pieces of it. */
const STREAMED_PART_BYTES = 4 * 2 ** 20;

/** All parts are in the store, or they were. */
export interface SentParts {
  readonly kind: "sent";
  readonly parts: readonly StoredPart[];
  /** Of the whole content, in hexadecimal. */
  readonly sha256: string;
  /** Of the whole content, in base64. */
  readonly crc32: string;
}

interface SendPartsOptions {
  readonly store: ObjectStore;
  readonly destination: Destination;
  readonly key: string;
  readonly uploadId: string;
  readonly file: FileHandle;
  readonly bytes: number;
  readonly partBytes: number;
  /** What the store has already. */
  readonly recorded: ReadonlyMap<number, RecordedPart>;
  readonly state: UploadState;
  readonly budget: ByteBudget;
  readonly retries: Retries;
  readonly heldBytesMax?: number;
  readonly marks: Marks;
  readonly signal: AbortSignal;
}

/**
 * Reads the whole file, part by part and in order, and sends behind the reading what the store
 * does not have yet. A part that it has is read as well, and counts only if these are its bytes.
 * @returns the first failure, when the parts on their way have ended
 * @throws FileChangedError if the file is not what it was; the signal's reason; system errors
 */
export async function sendParts(options: SendPartsOptions): Promise<SentParts | Gone | Failed> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const wholeHash = createHash("sha256");
  let wholeChecksum = 0;
  const onPiece = (piece: Buffer) => {
    options.marks.mark("read");
    wholeHash.update(piece);
    wholeChecksum = crc32(piece, wholeChecksum);
  };
  const read = (part: PlannedPart, held: Buffer | undefined) =>
    readPart(options.file, part, { held, endsAt: options.bytes, signal, onPiece });

  const parts: StoredPart[] = [];
  const running = new Set<Promise<void>>();
  let end: Gone | Failed | undefined;
  const send = (
    part: PlannedPart,
    content: PartContent,
    held: Buffer | undefined,
    release: () => void,
  ) => {
    const task = sendPart(part, content, { ...options, signal })
      .then((answer) => {
        if (answer.kind !== "stored") {
          end ??= answer;
          return;
        }
        parts.push(answer.part);
        // After a failure the connection may hold it still; it is left to the collector then.
        if (held !== undefined) options.budget.giveBackBuffer(held);
      })
      // It ends the reading, which throws it.
      .catch((error: unknown) => stop.abort(error))
      .finally(() => {
        release();
        running.delete(task);
      });
    running.add(task);
  };

  try {
    for (const part of plannedParts(options.bytes, options.partBytes)) {
      const recorded = options.recorded.get(part.partNumber);
      if (recorded !== undefined) {
        assertSamePart(part, recorded, await read(part, undefined));
        parts.push(storedPart(recorded));
      } else {
        while (running.size >= WORKERS) await Promise.race(running);
        if (end !== undefined) break;
        const isHeld = part.bytes <= (options.heldBytesMax ?? HELD_PART_BYTES_MAX);
        const wanted = isHeld ? part.bytes : STREAMED_PART_BYTES;
        const release = await options.marks.waitFor(options.budget.acquire(wanted, signal));
        try {
          const held = isHeld ? options.budget.takeBuffer(part.bytes) : undefined;
          send(part, await read(part, held), held, release);
        } catch (error) {
          release();
          throw error;
        }
      }
      if (end !== undefined) break;
    }
  } catch (error) {
    stop.abort(error);
  }
  await Promise.all(running);
  signal.throwIfAborted();
  if (end !== undefined) return end;
  parts.sort((one, other) => one.partNumber - other.partNumber);
  return {
    kind: "sent",
    parts,
    sha256: wholeHash.digest("hex"),
    crc32: crc32Text(wholeChecksum),
  };
}

async function sendPart(
  { partNumber, bytes }: PlannedPart,
  content: PartContent,
  options: SendPartsOptions,
): Promise<{ readonly kind: "stored"; readonly part: StoredPart } | Gone | Failed> {
  const { store, destination, key, uploadId, signal } = options;
  const { sha256, crc32 } = content;
  const request = { destination, key, uploadId, partNumber, bytes, sha256, crc32, signal };
  const answer = await options.retries.send(
    () => store.putPart({ ...request, body: content.body() }),
    signal,
  );
  if (answer.kind !== "stored") return answer;
  if (answer.crc32 !== crc32) return { kind: "failed", failure: NOT_PROVED };
  const part = { partNumber, bytes, etag: answer.etag, crc32, sha256 };
  await options.state.addPart(part);
  return { kind: "stored", part: storedPart(part) };
}

function assertSamePart(part: PlannedPart, recorded: RecordedPart, content: PartContent): void {
  const isSame =
    part.bytes === recorded.bytes &&
    content.sha256 === recorded.sha256 &&
    content.crc32 === recorded.crc32;
  if (!isSame) throw new FileChangedError("a part that was sent is another now");
}

function storedPart({ partNumber, etag, crc32 }: RecordedPart): StoredPart {
  return { partNumber, etag, crc32 };
}
