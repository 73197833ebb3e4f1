import { createHash } from "node:crypto";
import { lstat } from "node:fs/promises";
import { filesBelow, isAbsent, sha256OfFile } from "./tree.ts";

/** One content that is neither in the bucket nor on disk. */
export interface Lost {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** An object with bytes that nobody closed. */
export interface Foreign {
  readonly key: string;
  readonly sha256: string;
}

/** A file that its producer has not finished and that somebody touched. */
export interface Touched {
  readonly path: string;
  readonly what: "uploaded" | "gone from disk";
}

export interface Verdict {
  readonly lost: readonly Lost[];
  readonly foreign: readonly Foreign[];
  readonly touched: readonly Touched[];
  /** Objects beyond the first with the same content. */
  readonly duplicates: number;
  /** Contents that must be somewhere, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** How many of them are still on disk. */
  readonly onDisk: number;
}

type Objects = ReadonlyMap<string, string>;

/** What is looked at: the bucket, and where files may be. */
export interface World {
  /** SHA-256 in hexadecimal of each object, by key; a function where an agent is at work. */
  readonly objects: Objects | (() => Objects | Promise<Objects>);
  /** Whole trees: the watched directory with whatever the agent keeps in it, and others. */
  readonly directories: readonly string[];
}

/**
 * Knows what producers have written, and judges a bucket and a disk by that. It shares nothing with
 * the agent: no code, no state, no record.
 *
 * - Every content that a producer has closed, and not taken away itself, is in the bucket or in a
 *   file on disk, whatever its name.
 * - Every object holds, as a whole, something that a producer has closed.
 * - A file that is still being written is on disk under its name, and none of its states in between
 *   is in the bucket.
 */
export class Oracle {
  /** Path to SHA-256 to bytes: what must not be lost. */
  readonly #closed = new Map<string, Map<string, number>>();
  /** SHA-256 of everything that was whole once: it may be in the bucket. */
  readonly #whole = new Set<string>();
  /** SHA-256 of a state in between to the path it was seen at. */
  readonly #partial = new Map<string, string>();
  readonly #unfinished = new Set<string>();

  /** A producer has closed this file with this content. What it held before stays to be kept. */
  closed(path: string, content: Buffer | string): void {
    const sha256 = sha256Of(content);
    this.#whole.add(sha256);
    this.#partial.delete(sha256);
    this.#unfinished.delete(path);
    const contents = this.#closed.get(path) ?? new Map<string, number>();
    this.#closed.set(path, contents.set(sha256, Buffer.byteLength(content)));
  }

  /** The producer itself has overwritten or removed this content: it may be gone, or uploaded. */
  abandoned(path: string, content: Buffer | string): void {
    const sha256 = sha256Of(content);
    this.#whole.add(sha256);
    this.#closed.get(path)?.delete(sha256);
  }

  /** A producer has this file open and has written so much of it. To be told of every state. */
  writing(path: string, content: Buffer | string): void {
    const sha256 = sha256Of(content);
    this.#unfinished.add(path);
    if (!this.#whole.has(sha256)) this.#partial.set(sha256, path);
  }

  /** Judges; may be asked as often as one likes. */
  async verify({ objects, directories }: World): Promise<Verdict> {
    // The disk first: what is uploaded and removed while we look is then found twice, not never.
    const onDisk = new Set<string>();
    for (const directory of directories) {
      for await (const { path } of filesBelow(directory)) {
        const sha256 = await sha256OfFile(path).catch((error: unknown) => {
          if (isAbsent(error)) return undefined;
          throw error;
        });
        if (sha256 !== undefined) onDisk.add(sha256);
      }
    }
    const inStore = typeof objects === "function" ? await objects() : objects;
    const inBucket = new Set(inStore.values());
    const lost: Lost[] = [];
    let files = 0;
    let total = 0;
    let stillOnDisk = 0;
    for (const [path, contents] of this.#closed) {
      for (const [sha256, bytes] of contents) {
        files += 1;
        total += bytes;
        if (onDisk.has(sha256)) stillOnDisk += 1;
        else if (!inBucket.has(sha256)) lost.push({ path, sha256, bytes });
      }
    }
    const foreign: Foreign[] = [];
    const touched: Touched[] = [];
    for (const [key, sha256] of inStore) {
      const path = this.#partial.get(sha256);
      if (path !== undefined) touched.push({ path, what: "uploaded" });
      else if (!this.#whole.has(sha256)) foreign.push({ key, sha256 });
    }
    for (const path of this.#unfinished) {
      const stats = await lstat(path).catch(() => undefined);
      if (stats === undefined) touched.push({ path, what: "gone from disk" });
    }
    return {
      lost,
      foreign,
      touched,
      duplicates: inStore.size - inBucket.size,
      files,
      bytes: total,
      onDisk: stillOnDisk,
    };
  }
}

function sha256Of(content: Buffer | string): string {
  return createHash("sha256").update(content).digest("hex");
}
