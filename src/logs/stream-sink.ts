import type { Writable } from "node:stream";
import type { RecordSink } from "./logger.ts";

/**
 * When whoever reads our output stops reading, Node keeps what is written in memory, without end.
 * Above this much it is dropped instead.
 */
const BUFFERED_BYTES_MAX = 8 * 2 ** 20;

/** Writes records, and counts those that nobody reads. */
export interface StreamSink extends RecordSink {
  /** How many records were dropped since the start. */
  readonly dropped: number;
  /** Hears how many were dropped, once the stream flows again. */
  onFlowing: (dropped: number) => void;
}

/** Writes records to a stream, one a line. */
export function makeStreamSink(stream: Writable): StreamSink {
  let dropped = 0;
  let untold = 0;
  const drop = () => {
    dropped += 1;
    untold += 1;
  };
  // A reader that went away (EPIPE) is no reason to end: the files matter more than the output.
  stream.on("error", drop);
  const sink = {
    write(line: string) {
      if (stream.destroyed || stream.writableLength > BUFFERED_BYTES_MAX) drop();
      else stream.write(`${line}\n`);
    },
    get dropped() {
      return dropped;
    },
    onFlowing(_dropped: number) {},
  };
  stream.on("drain", () => {
    if (untold === 0) return;
    const records = untold;
    untold = 0;
    sink.onFlowing(records);
  });
  return sink;
}
