import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { Clock } from "../../src/lib/clock.ts";
import type { Policy } from "../../src/sweep/decide.ts";
import { objectKey } from "../../src/sweep/object-key.ts";
import type {
  AbortUploadAnswer,
  CompleteUploadAnswer,
  CompleteUploadRequest,
  CreateUploadAnswer,
  CreateUploadRequest,
  Destination,
  Failed,
  ObjectStore,
  PutAnswer,
  PutPartAnswer,
  PutPartRequest,
  PutRequest,
  StoreFailure,
  UploadReference,
} from "../../src/sweep/object-store.ts";
import { crc32Text } from "../../src/sweep/read-file.ts";
import { MemoryUploads, type Received } from "./memory-uploads.ts";

/** What the store does with one request. */
export type Reply =
  /** Does what was asked for, if it may, and acknowledges its digest. */
  | "store"
  /** The same, but the answer carries no checksum. */
  | "store-without-checksum"
  /** The same, but the answer carries the checksum of something else. */
  | "store-other-checksum"
  /** Acknowledges without doing anything, as a captive portal's page does. */
  | "portal"
  /** Does it, but the answer is lost on its way. */
  | "lose-answer"
  /** Only for a completion: something else happened to the key. */
  | "conflict"
  /** Only for an upload in parts: as if somebody had aborted it. */
  | "gone"
  /** Does nothing and answers this. */
  | StoreFailure;

export type Operation =
  | "PutObject"
  | "CreateMultipartUpload"
  | "UploadPart"
  | "CompleteMultipartUpload"
  | "AbortMultipartUpload";

/** A request as hooks see it. */
export interface SeenRequest {
  readonly operation: Operation;
  readonly destination: Destination;
  readonly key: string;
  /** Of a part. */
  readonly partNumber?: number;
  readonly uploadId?: string;
  /** Of the body or, at a completion, of the whole object. */
  readonly bytes?: number;
  readonly body?: Buffer | AsyncIterable<Buffer>;
  readonly signal: AbortSignal;
}

/** A failure that may pass. */
export const SLOW_DOWN: StoreFailure = {
  kind: "throttled",
  code: "SlowDown",
  message: "Please reduce your request rate",
  isRetryable: true,
  scope: "service",
};

/** A failure that stays. */
export const REFUSED: StoreFailure = {
  kind: "permanent",
  code: "InvalidRequest",
  message: "No",
  isRetryable: false,
  scope: "file",
};

const RESET: StoreFailure = {
  kind: "transient",
  code: "ECONNRESET",
  message: "socket hang up",
  isRetryable: true,
  scope: "service",
};

/** An object store in memory that keeps S3's rules and lets a test strike while it receives. */
export class MemoryStore implements ObjectStore {
  readonly objects = new Map<string, Buffer>();
  readonly uploads = new MemoryUploads();
  readonly requests: SeenRequest[] = [];
  /** How many bytes of bodies came in, those of refused ones too. */
  bytesReceived = 0;
  mostInFlight = 0;
  /** What answers to a put carry; undefined: the bucket keeps no versions. */
  versionId: string | undefined;
  /** False: only digests are computed, bodies are dropped. */
  keepsBytes = true;
  /** What to do with a request; `nth` counts all requests from 1. */
  reply: (request: SeenRequest, nth: number) => Reply = () => "store";
  /** Called once the first piece of the body has come in, before anything is stored. */
  onPut: (request: SeenRequest, nth: number) => Promise<void> | void = () => undefined;
  /** Called when everything is done and only the answer is still to come. */
  onDone: (request: SeenRequest, nth: number) => Promise<void> | void = () => undefined;
  #inFlight = 0;

  /** The same objects and uploads, for another agent that knows nothing of the first. */
  copy(): MemoryStore {
    const copy = new MemoryStore();
    copy.keepsBytes = this.keepsBytes;
    for (const [key, object] of this.objects) copy.objects.set(key, object);
    copy.uploads.takeOver(this.uploads);
    return copy;
  }

  put(request: PutRequest): Promise<PutAnswer> {
    return this.#handle<PutAnswer>("PutObject", request, {
      portal: { kind: "stored", sha256: undefined, versionId: undefined },
      work: ({ sha256, bytes, content }) => {
        if (bytes !== request.bytes || sha256 !== request.sha256) return BAD_DIGEST;
        if (this.objects.has(request.key) && !request.mayOverwrite) return { kind: "taken" };
        this.objects.set(request.key, content);
        return { kind: "stored", sha256, versionId: this.versionId };
      },
      spoil: (answer, sha256) => (answer.kind === "stored" ? { ...answer, sha256 } : answer),
      otherDigest: sha256Of("something else"),
    });
  }

  createUpload(request: CreateUploadRequest): Promise<CreateUploadAnswer> {
    return this.#handle<CreateUploadAnswer>("CreateMultipartUpload", request, {
      portal: { kind: "failed", failure: { ...REFUSED, kind: "proof", scope: "service" } },
      work: () => ({ kind: "created", uploadId: this.uploads.create(request.key) }),
    });
  }

  putPart(request: PutPartRequest): Promise<PutPartAnswer> {
    return this.#handle<PutPartAnswer>("UploadPart", request, {
      portal: { kind: "stored", etag: "portal", crc32: undefined },
      work: (received) => {
        const { bytes, sha256, crc32 } = received;
        if (bytes !== request.bytes || sha256 !== request.sha256) return BAD_DIGEST;
        if (crc32 !== request.crc32) return BAD_DIGEST;
        return this.uploads.putPart(request, received);
      },
      spoil: (answer, crc32) => (answer.kind === "stored" ? { ...answer, crc32 } : answer),
    });
  }

  completeUpload(request: CompleteUploadRequest): Promise<CompleteUploadAnswer> {
    return this.#handle<CompleteUploadAnswer>("CompleteMultipartUpload", request, {
      portal: { kind: "stored", crc32: undefined, versionId: undefined },
      work: () => this.uploads.complete(request, this.objects),
      spoil: (answer, crc32) => (answer.kind === "stored" ? { ...answer, crc32 } : answer),
    });
  }

  abortUpload(request: UploadReference): Promise<AbortUploadAnswer> {
    return this.#handle<AbortUploadAnswer>("AbortMultipartUpload", request, {
      portal: { kind: "aborted" },
      work: () => ({ kind: this.uploads.abort(request.uploadId) ? "aborted" : "gone" }),
    });
  }

  async #handle<Answer extends { readonly kind: string }>(
    operation: Operation,
    request: Omit<SeenRequest, "operation">,
    how: {
      readonly portal: Answer;
      readonly work: (received: Received) => Answer | Failed;
      readonly spoil?: (answer: Answer, digest: string | undefined) => Answer;
      readonly otherDigest?: string;
    },
  ): Promise<Answer> {
    const seen = { ...request, operation };
    this.requests.push(seen);
    const nth = this.requests.length;
    this.#inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight);
    try {
      const received = await this.#receive(seen, nth);
      const reply = this.reply(seen, nth);
      if (typeof reply === "object") return { kind: "failed", failure: reply } as never;
      if (reply === "portal") return how.portal;
      if (reply === "conflict" || reply === "gone") return { kind: reply } as never;
      const answer = how.work(received) as Answer;
      await this.onDone(seen, nth);
      if (reply === "lose-answer") return { kind: "failed", failure: RESET } as never;
      if (reply === "store" || how.spoil === undefined) return answer;
      const other = how.otherDigest ?? "AAAAAA==";
      return how.spoil(answer, reply === "store-other-checksum" ? other : undefined);
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #receive(request: SeenRequest, nth: number): Promise<Received> {
    request.signal.throwIfAborted();
    const hash = createHash("sha256");
    const pieces: Buffer[] = [];
    let bytes = 0;
    let checksum = 0;
    let hasStruck = false;
    const { body = Buffer.alloc(0) } = request;
    for await (const piece of Buffer.isBuffer(body) ? [body] : body) {
      hash.update(piece);
      checksum = crc32(piece, checksum);
      if (this.keepsBytes) pieces.push(Buffer.from(piece));
      bytes += piece.length;
      this.bytesReceived += piece.length;
      if (!hasStruck) await this.onPut(request, nth);
      hasStruck = true;
      request.signal.throwIfAborted();
    }
    if (!hasStruck) await this.onPut(request, nth);
    request.signal.throwIfAborted();
    return {
      bytes,
      sha256: hash.digest("hex"),
      crc32: crc32Text(checksum),
      content: Buffer.concat(pieces),
    };
  }
}

const BAD_DIGEST: Failed = { kind: "failed", failure: { ...REFUSED, code: "BadDigest" } };

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

/** The request to store a content. @param body the same in another form */
export function putRequestOf(content: Buffer, body: PutRequest["body"] = content): PutRequest {
  return {
    destination: DESTINATION,
    key: "k",
    bytes: content.length,
    sha256: sha256Of(content),
    body,
    mayOverwrite: false,
    signal: new AbortController().signal,
  };
}
