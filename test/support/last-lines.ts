import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** As many as a message about a failure repeats. */
const LAST_LINES_MAX = 20;

/** The last lines that come by some streams, to be read at any time. */
export function lastLinesOf(...streams: readonly Readable[]): string[] {
  const lines: string[] = [];
  for (const input of streams) {
    createInterface({ input }).on("line", (line) => {
      lines.push(line);
      if (lines.length > LAST_LINES_MAX) lines.shift();
    });
  }
  return lines;
}
