import type { ObjectStore, PutPartRequest, PutRequest } from "./object-store.ts";

/** What all uploads of a host ask before they send. */
export interface UploadLimiter {
  /** 0: no limit. */
  readonly bytesPerSecond: number;
  /**
   * Resolves when so many bytes may be sent, in the order of asking.
   * @throws the signal's reason
   */
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

/**
 * What the head of a put takes on the wire, which is most of it if the file is small: 1,050 bytes
 * as measured, and about as many again for the session token of a role.
 */
export const HEAD_BYTES = 2_000;

/** More in one piece saves no CPU worth speaking of. */
export const PIECE_BYTES_MAX = 64 * 2 ** 10;

/**
 * At a low rate pieces are smaller. S3 ends a request on which nothing moves for a while
 * (RequestTimeout; it documents no number, 20 seconds have been seen), and bodies get their pieces
 * in turn: 256 of them, the most that are transferred at once, every eight seconds each.
 */
const PIECES_PER_SECOND_MIN = 32;

type Body = PutRequest["body"];

/**
 * The same store, whose bodies are held to a rate: every put and every part, each time that it is
 * sent. Not counted are requests without a body of a file, and the framing of TLS and TCP.
 *
 * A body is sent in small pieces as the rate allows, and not as a whole after a long wait: the line
 * is shared with others, who would find it free for 15 seconds and then full for one. What is no
 * more than a piece waits before its request, and is sent as it is. The checksums are known
 * beforehand, so how a body is cut changes nothing in what is signed.
 */
export function limitUploads(store: ObjectStore, limiter: UploadLimiter): ObjectStore {
  async function limited<R extends PutRequest | PutPartRequest>(request: R): Promise<R> {
    // A limit that is set later holds for the bodies after this one.
    if (limiter.bytesPerSecond === 0) return request;
    return { ...request, body: await limitedBody(request, limiter) };
  }
  return {
    put: async (request) => await store.put(await limited(request)),
    putPart: async (request) => await store.putPart(await limited(request)),
    createUpload: (request) => store.createUpload(request),
    completeUpload: (request) => store.completeUpload(request),
    abortUpload: (request) => store.abortUpload(request),
  };
}

async function limitedBody(
  { body, bytes, signal }: Pick<PutRequest, "body" | "bytes" | "signal">,
  limiter: UploadLimiter,
): Promise<Body> {
  const isOnePiece = Buffer.isBuffer(body) && bytes <= pieceBytes(limiter);
  // Here too only a piece at a time: nobody else's body is to wait for long.
  for (let left = HEAD_BYTES + (isOnePiece ? bytes : 0); left > 0; ) {
    const taken = Math.min(left, pieceBytes(limiter));
    await limiter.take(taken, signal);
    left -= taken;
  }
  return isOnePiece ? body : pieces(body, limiter, signal);
}

async function* pieces(
  body: Body,
  limiter: UploadLimiter,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  for await (const whole of Buffer.isBuffer(body) ? [body] : body) {
    for (let at = 0; at < whole.length; ) {
      const piece = whole.subarray(at, at + pieceBytes(limiter));
      await limiter.take(piece.length, signal);
      yield piece;
      at += piece.length;
    }
  }
}

/** How much is taken at once. */
function pieceBytes({ bytesPerSecond }: UploadLimiter): number {
  if (bytesPerSecond === 0) return PIECE_BYTES_MAX;
  const small = Math.max(1, Math.floor(bytesPerSecond / PIECES_PER_SECOND_MIN));
  return Math.min(PIECE_BYTES_MAX, small);
}
