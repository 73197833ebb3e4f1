import type { Writable } from "node:stream";
import type { RecordSink } from "./logger.ts";

/**
 * When whoever reads our output stops reading, Node keeps what is written in memory, without end.
 * Above this much it is dropped instead.
 */
const BUFFERED_BYTES_MAX = 8 * 2 ** 20;

/** Writes records to a stream, one a line. */
export function makeStreamSink(stream: Writable): RecordSink & { readonly dropped: number } {
  let dropped = 0;
  // A reader that went away (EPIPE) is no reason to end: the files matter more than the output.
  stream.on("error", () => {
    dropped += 1;
  });
  return {
    write(line) {
      if (stream.destroyed || stream.writableLength > BUFFERED_BYTES_MAX) dropped += 1;
      else stream.write(`${line}\n`);
    },
    get dropped() {
      return dropped;
    },
  };
}
