import { EventEmitter, once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import {
  type Answer,
  answerInstead,
  refusalAnswer,
  spoilChecksum,
  successAnswer,
} from "./fake-s3-answers.ts";
import { type Body, bodyOf, readBody } from "./fake-s3-body.ts";
import { Buckets, type StoredObject } from "./fake-s3-buckets.ts";
import type { Fault, Moment, PutHook } from "./fake-s3-faults.ts";
import { doMultipart, type MultipartContext, PART_BYTES_MIN } from "./fake-s3-multipart.ts";
import {
  type Asked,
  askedFor,
  type Operation,
  type RecordedRequest,
} from "./fake-s3-operations.ts";
import {
  ACCESS_DENIED,
  INVALID_URI,
  PRECONDITION_FAILED,
  parseTarget,
  type Refusal,
  refuseBody,
  refuseHead,
  successHeaders,
  type Target,
} from "./fake-s3-rules.ts";
import { type OpenUpload, Uploads } from "./fake-s3-uploads.ts";

interface Options {
  /** Names of the buckets that exist. */
  readonly buckets: readonly string[];
  /** Whether answers carry `x-amz-version-id`. */
  readonly versioned?: boolean;
  /** Least bytes of a part that is not the last; S3's own 5 MiB by default. */
  readonly partBytesMin?: number;
  /** How far its clock, as the answers tell it, is ahead of the host's; 0 by default. */
  readonly aheadMs?: number;
  /** Of larger bodies only size and checksums are kept; 16 MiB by default. */
  readonly contentBytesMax?: number;
  /** The same as calling `onPut` at once. */
  readonly onPut?: PutHook;
}

/** Longer than any test: a connection ends because of a fault, never because it was idle. */
const KEEP_ALIVE_MS = 600_000;

/**
 * Starts an S3 of our own on 127.0.0.1 that is stricter than the emulators: it enforces the
 * documented rules of PutObject and of multipart uploads, lets a test choose what goes wrong, and denies everything else,
 * as S3 does with write-only credentials. Signatures are asked for but not verified.
 */
export async function startFakeS3(options: Options): Promise<FakeS3> {
  const fake = new FakeS3(options);
  await fake.start();
  return fake;
}

/** A running fake; `startFakeS3` makes it. Path style only: `<endpoint>/<bucket>/<key>`. */
export class FakeS3 implements AsyncDisposable {
  /** Every request so far, in the order of arrival. */
  readonly requests: RecordedRequest[] = [];

  readonly #server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    this.#handle(request, response).catch((error: unknown) => {
      this.#failures.push(error);
      response.destroy();
    });
  });
  readonly #buckets: Buckets;
  readonly #aheadMs: number;
  readonly #changes = new EventEmitter().setMaxListeners(0);
  /** What hooks have thrown. It belongs to the test, not to the client: `stop` throws it. */
  readonly #failures: unknown[] = [];
  readonly #uploads = new Uploads();
  readonly #multipart: MultipartContext;
  /** How many requests there were for the same. */
  readonly #attempts = new Map<string, number>();
  readonly #contentBytesMax: number | undefined;
  #hook: PutHook | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: Options) {
    this.#buckets = new Buckets(options.buckets, options.versioned ?? false);
    this.#aheadMs = options.aheadMs ?? 0;
    this.#hook = options.onPut;
    this.#contentBytesMax = options.contentBytesMax;
    this.#multipart = {
      buckets: this.#buckets,
      uploads: this.#uploads,
      completed: new Map(),
      partBytesMin: options.partBytesMin ?? PART_BYTES_MIN,
    };
  }

  /** Begins to listen on a free port. Called by `startFakeS3`. */
  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** Such as `http://127.0.0.1:41234`. */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /**
   * The objects of a bucket by key, always up to date.
   * @throws if there is no such bucket.
   */
  objects(bucket: string): ReadonlyMap<string, StoredObject> {
    return this.#buckets.objects(bucket);
  }

  /** The multipart uploads of a bucket that are neither completed nor aborted. */
  uploads(bucket: string): readonly OpenUpload[] {
    return this.#uploads.list(bucket);
  }

  /** Makes S3 forget the answers to completions, as it does after a while. */
  forgetCompletions(): void {
    this.#multipart.completed.clear();
  }

  /** Puts an object there as if somebody else had written it. It overwrites. */
  plant(bucket: string, key: string, content: Buffer): void {
    this.#buckets.put(bucket, key, bodyOf(content), {});
  }

  /** From now on asks `hook` what goes wrong with each request that is not denied; undefined: nothing. */
  onPut(hook: PutHook | undefined): void {
    this.#hook = hook;
  }

  /**
   * Resolves when `count` requests of any kind have arrived since the start.
   * @throws the signal's reason when aborted; an Error when the fake stops before.
   */
  async waitForRequests(count: number, signal?: AbortSignal): Promise<void> {
    await this.waitUntil((requests) => requests.length >= count, signal);
  }

  /**
   * Resolves when the condition holds, which is asked again whenever a request has moved on.
   * @throws the signal's reason when aborted; an Error when the fake stops before.
   */
  async waitUntil(
    condition: (requests: readonly RecordedRequest[]) => boolean,
    signal?: AbortSignal,
  ): Promise<void> {
    while (!condition(this.requests)) {
      if (this.#stopped !== undefined) throw new Error("the fake S3 has stopped");
      try {
        await once(this.#changes, "change", signal ? { signal } : {});
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      }
    }
  }

  /**
   * Ends every connection and stops to listen. Stopping twice is fine.
   * @throws an AggregateError of what hooks have thrown.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
    await this.#uploads.clear();
    this.#changes.emit("change");
    if (this.#failures.length > 0) {
      throw new AggregateError(
        this.#failures,
        `hooks of the fake S3 have failed: ${this.#failures}`,
      );
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", headers } = request;
    const target = parseTarget(request.url ?? "");
    const asked = target && askedFor(method, target, headers);
    const record = this.#record(request, response, target, asked?.operation);
    const fault = asked && this.#askHook(record, asked);
    record.fault = fault?.kind;

    if (fault?.kind === "reset-before") return reset(request);
    const refused = this.#refuseHead(target, asked?.operation, headers);
    // Nobody wants to read 5 GiB only to refuse them. The connection cannot be used again.
    if (refused?.code === "EntityTooLarge") {
      return this.#send(record, response, refusalAnswer(refused, request, { connection: "close" }));
    }
    const bytesMax = fault?.kind === "reset-during" ? fault.afterBytes : Number.POSITIVE_INFINITY;
    const onBytes = (size: number) => {
      record.bytes = size;
      this.#changes.emit("change");
      return size < bytesMax;
    };
    const body = await readBody(request, onBytes, this.#contentBytesMax);
    if (body === undefined || fault?.kind === "reset-during") return reset(request);
    this.#advance(record, "read");

    if (fault?.kind === "hang") return;
    const instead = answerInstead(fault, request);
    if (instead !== undefined) return this.#send(record, response, instead);
    await this.#pause(fault, "before-store");
    // What has been stopped stores nothing any more.
    if (this.#stopped !== undefined) return;
    const answer = refused
      ? refusalAnswer(refused, request)
      : await this.#perform(record, request, body, asked);
    await this.#pause(fault, "after-store");
    if (fault?.kind === "lost-answer") return reset(request);
    this.#send(record, response, spoilChecksum(answer, fault));
  }

  #record(
    request: IncomingMessage,
    response: ServerResponse,
    target: Target | undefined,
    operation: Operation | undefined,
  ): RecordedRequest {
    const record: RecordedRequest = {
      index: this.requests.length,
      method: request.method ?? "",
      bucket: target?.bucket ?? "",
      key: target?.key ?? "",
      query: target?.query ?? "",
      operation,
      headers: request.headers,
      fault: undefined,
      bytes: 0,
      step: "arrived",
      answer: undefined,
    };
    this.requests.push(record);
    response.once("close", () => {
      if (!response.writableFinished) record.answer = "dropped";
      this.#changes.emit("change");
    });
    this.#changes.emit("change");
    return record;
  }

  #askHook({ bucket, key, index }: RecordedRequest, asked: Asked): Fault | undefined {
    const { operation, uploadId } = asked;
    const part = asked.partNumber === undefined ? {} : { partNumber: Number(asked.partNumber) };
    const upload = uploadId === undefined ? {} : { uploadId };
    const name = JSON.stringify([bucket, key, operation, upload, part]);
    const attemptForThisKey = (this.#attempts.get(name) ?? 0) + 1;
    this.#attempts.set(name, attemptForThisKey);
    return this.#hook?.({ operation, bucket, key, ...part, ...upload, attemptForThisKey, index });
  }

  #refuseHead(
    target: Target | undefined,
    operation: Operation | undefined,
    headers: IncomingHttpHeaders,
  ): Refusal | undefined {
    if (target === undefined) return INVALID_URI;
    if (operation === undefined) return ACCESS_DENIED;
    return refuseHead(operation, target, headers, this.#buckets.has(target.bucket));
  }

  async #perform(
    record: RecordedRequest,
    request: IncomingMessage,
    body: Body,
    asked: Asked | undefined,
  ): Promise<Answer> {
    if (asked === undefined || asked.operation === "PutObject") {
      return this.#putObject(record, request, body);
    }
    const { bucket, key } = record;
    const { headers } = request;
    const done = await doMultipart({ ...asked, bucket, key, headers, body }, this.#multipart);
    if ("code" in done) return refusalAnswer(done, request);
    this.#advance(record, "stored");
    return done;
  }

  /** Looks and stores in one turn of the event loop: of two requests for a key, one is refused. */
  #putObject(record: RecordedRequest, request: IncomingMessage, body: Body): Answer {
    const { headers } = request;
    const exists = this.#buckets.objects(record.bucket).has(record.key);
    const isTaken = headers["if-none-match"] === "*" && exists;
    const refused = refuseBody(headers, body) ?? (isTaken ? PRECONDITION_FAILED : undefined);
    if (refused !== undefined) return refusalAnswer(refused, request);
    const { versionId } = this.#buckets.put(record.bucket, record.key, body, headers);
    this.#advance(record, "stored");
    return successAnswer({
      ...successHeaders(headers, body),
      ...(versionId && { "x-amz-version-id": versionId }),
    });
  }

  /** Lets a delay or a hook of this moment happen. A stop does not wait for it. */
  async #pause(fault: Fault | undefined, moment: Moment): Promise<void> {
    if (fault?.kind !== "delay" && fault?.kind !== "hook") return;
    if ((fault.when ?? "after-store") !== moment) return;
    await (fault.kind === "delay" ? fault.until : fault.during());
  }

  #send(record: RecordedRequest, response: ServerResponse, answer: Answer): void {
    // The client did not wait for it.
    if (response.destroyed) return;
    // Set before the client can know of it, so that no test has to wait for it.
    record.answer = answer.status;
    response.writeHead(answer.status, {
      date: new Date(Date.now() + this.#aheadMs).toUTCString(),
      ...answer.headers,
      "content-length": Buffer.byteLength(answer.body),
    });
    response.end(answer.body);
  }

  #advance(record: RecordedRequest, step: RecordedRequest["step"]): void {
    record.step = step;
    this.#changes.emit("change");
  }
}

/** Ends the connection as a crash or a firewall does: the client sees ECONNRESET. */
function reset(request: IncomingMessage): void {
  request.socket.resetAndDestroy();
}
