import type { Marks } from "../lib/progress.ts";
import { PIECE_BYTES_MAX, type UploadLimiter } from "./limited-store.ts";
import type { ObjectStore, PutPartRequest, PutRequest } from "./object-store.ts";

/**
 * A completion may take S3 several minutes, in which it sends a blank now and then to keep the
 * connection (API reference, CompleteMultipartUpload); it is the only request that lasts like this.
 * A connection that really is dead is given up after its idle time, so this is only a last resort.
 */
const COMPLETION_QUIET_MS_MAX = 1_800_000;

type Body = PutRequest["body"];

/**
 * The same store, whose requests are marks: when one is sent, when a piece of its body is taken by
 * the connection, and when it is answered or given up. A body is given in pieces for that, since a
 * large one may be on its way for longer than anything that hangs is waited for.
 */
export function markRequests(store: ObjectStore, marks: Marks): ObjectStore {
  async function marked<Answer>(send: () => Promise<Answer>): Promise<Answer> {
    marks.mark("request");
    try {
      return await send();
    } finally {
      marks.mark("answer");
    }
  }
  const inPieces = <R extends PutRequest | PutPartRequest>(request: R): R => ({
    ...request,
    body: markedBody(request.body, marks),
  });
  return {
    put: (request) => marked(() => store.put(inPieces(request))),
    putPart: (request) => marked(() => store.putPart(inPieces(request))),
    createUpload: (request) => marked(() => store.createUpload(request)),
    completeUpload: (request) =>
      marked(() => marks.allow(COMPLETION_QUIET_MS_MAX, store.completeUpload(request))),
    abortUpload: (request) => marked(() => store.abortUpload(request)),
  };
}

/** The same limiter, whose grants are marks; in its queue one is as much alive as the others. */
export function markGrants(limiter: UploadLimiter, marks: Marks): UploadLimiter {
  return {
    get bytesPerSecond() {
      return limiter.bytesPerSecond;
    },
    take: (bytes, signal) => marks.waitFor(limiter.take(bytes, signal)),
  };
}

/** What is no more than a piece is sent as it is: that is every small file. */
function markedBody(body: Body, marks: Marks): Body {
  const isPiece = Buffer.isBuffer(body) && body.length <= PIECE_BYTES_MAX;
  return isPiece ? body : pieces(body, marks);
}

async function* pieces(body: Body, marks: Marks): AsyncGenerator<Buffer> {
  for await (const whole of Buffer.isBuffer(body) ? [body] : body) {
    for (let at = 0; at < whole.length; at += PIECE_BYTES_MAX) {
      marks.mark("bytes");
      yield whole.subarray(at, at + PIECE_BYTES_MAX);
    }
  }
}
