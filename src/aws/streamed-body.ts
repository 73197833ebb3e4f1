import { Readable } from "node:stream";

/** A body that is sent piece by piece, and what the SDK does not do for one. */
export interface StreamedBody {
  readonly stream: Readable;
  /** Aborts, with the error itself as the reason, when the pieces cannot be had. */
  readonly failed: AbortSignal;
  /** Resolves when nothing reads the pieces any longer. */
  close(): Promise<void>;
}

/**
 * Makes a stream of the pieces. Three things go wrong with a bare stream as a body: an error of its
 * source ends the process if nobody listens, the request then waits for bytes that never come, and
 * when the answer comes early the source is read on while its file is being closed.
 */
export function streamBody(pieces: AsyncIterable<Buffer>): StreamedBody {
  const failed = new AbortController();
  const stream = Readable.from(watched(pieces, failed), { objectMode: false });
  // The error is told through `failed`; this only keeps it from being nobody's.
  stream.on("error", () => {});
  const closed = Promise.withResolvers<void>();
  stream.once("close", closed.resolve);
  return {
    stream,
    failed: failed.signal,
    async close() {
      stream.destroy();
      await closed.promise;
    },
  };
}

async function* watched(pieces: AsyncIterable<Buffer>, failed: AbortController) {
  try {
    yield* pieces;
  } catch (error) {
    failed.abort(error);
    throw error;
  }
}
