import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import type { Clock } from "../../src/lib/clock.ts";
import type { Policy } from "../../src/sweep/decide.ts";
import { objectKey } from "../../src/sweep/object-key.ts";
import type {
  Destination,
  ObjectStore,
  PutAnswer,
  PutRequest,
  StoreFailure,
} from "../../src/sweep/object-store.ts";

/** What the store does with one request. */
export type Reply =
  /** Stores the body, if the key is free, and acknowledges its digest. */
  | "store"
  /** The same, but the answer carries no checksum. */
  | "store-without-checksum"
  /** The same, but the answer carries the checksum of something else. */
  | "store-other-checksum"
  /** Acknowledges without storing anything, as a captive portal's page does. */
  | "portal"
  /** Stores, but the answer is lost on its way. */
  | "lose-answer"
  /** Stores nothing and answers this. */
  | StoreFailure;

/** A failure that may pass. */
export const SLOW_DOWN: StoreFailure = {
  code: "SlowDown",
  message: "Please reduce your request rate",
  isRetryable: true,
  scope: "service",
};

/** A failure that stays. */
export const REFUSED: StoreFailure = {
  code: "InvalidRequest",
  message: "No",
  isRetryable: false,
  scope: "file",
};

const RESET: StoreFailure = {
  code: "ECONNRESET",
  message: "socket hang up",
  isRetryable: true,
  scope: "service",
};

/** An object store in memory that keeps S3's rules and lets a test strike while it receives. */
export class MemoryStore implements ObjectStore {
  readonly objects = new Map<string, Buffer>();
  readonly requests: PutRequest[] = [];
  /** How many bytes of bodies came in, those of refused ones too. */
  bytesReceived = 0;
  mostInFlight = 0;
  /** False: only digests are computed, bodies are dropped. */
  keepsBytes = true;
  /** What to do with a request; `nth` counts all requests from 1. */
  reply: (request: PutRequest, nth: number) => Reply = () => "store";
  /** Called once the first piece of the body has come in, before anything is stored. */
  onPut: (request: PutRequest, nth: number) => Promise<void> | void = () => undefined;
  #inFlight = 0;

  async put(request: PutRequest): Promise<PutAnswer> {
    this.requests.push(request);
    this.#inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight);
    try {
      return await this.#answer(request, this.requests.length);
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #answer(request: PutRequest, nth: number): Promise<PutAnswer> {
    request.signal.throwIfAborted();
    const hash = createHash("sha256");
    const pieces: Buffer[] = [];
    let bytes = 0;
    let hasStruck = false;
    const body = Buffer.isBuffer(request.body) ? [request.body] : request.body;
    for await (const piece of body) {
      hash.update(piece);
      if (this.keepsBytes) pieces.push(Buffer.from(piece));
      bytes += piece.length;
      this.bytesReceived += piece.length;
      if (!hasStruck) await this.onPut(request, nth);
      hasStruck = true;
      request.signal.throwIfAborted();
    }
    if (!hasStruck) await this.onPut(request, nth);
    request.signal.throwIfAborted();

    const reply = this.reply(request, nth);
    if (typeof reply === "object") return { kind: "failed", failure: reply };
    if (reply === "portal") return { kind: "stored", sha256: undefined, versionId: undefined };
    const sha256 = hash.digest("hex");
    if (bytes !== request.bytes || sha256 !== request.sha256) {
      return { kind: "failed", failure: { ...REFUSED, code: "BadDigest" } };
    }
    if (this.objects.has(request.key)) {
      return reply === "lose-answer" ? { kind: "failed", failure: RESET } : { kind: "taken" };
    }
    this.objects.set(request.key, Buffer.concat(pieces));
    if (reply === "lose-answer") return { kind: "failed", failure: RESET };
    const answers: Record<typeof reply, string | undefined> = {
      store: sha256,
      "store-without-checksum": undefined,
      "store-other-checksum": sha256Of("something else"),
    };
    return { kind: "stored", sha256: answers[reply], versionId: undefined };
  }
}

export function sha256Of(bytes: string | Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export const DESTINATION: Destination = {
  bucket: "b",
  storageClass: "STANDARD",
  kmsKeyId: "",
  tags: {},
  bucketOwner: "",
};

/** A clock that stands one hour ahead and sleeps without waiting, writing down how long. */
export function laterClock(): Clock & { readonly sleeps: number[] } {
  const sleeps: number[] = [];
  const now = Date.now() + 3_600_000;
  return {
    sleeps,
    now: () => now,
    monotonic: () => 0,
    boottime: () => now,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      sleeps.push(ms);
    },
  };
}

/** A settle age of 30 seconds, all files selected, keys without a prefix. */
export const POLICY: Policy = {
  settleMs: 30_000,
  isSelected: () => true,
  keyOf: ({ path }) => objectKey({ prefix: "", host: "h", fleet: "f", mtimeMs: 0, path }),
};

/** The contents of all regular files below a directory. */
export async function contentsBelow(directory: string): Promise<Buffer[]> {
  const found = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = found.filter((one) => one.isFile());
  return await Promise.all(files.map((one) => readFile(`${one.parentPath}/${one.name}`)));
}

/**
 * Writes a probe until the kernel's clock for ctime has moved past that of the file: within one
 * tick of it two changes cannot be told apart, and real files are 30 seconds old.
 */
export async function passTick(file: string, probe: string): Promise<void> {
  const { ctimeNs } = await stat(file, { bigint: true });
  do await writeFile(probe, "");
  while ((await stat(probe, { bigint: true })).ctimeNs <= ctimeNs);
}
