import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import { join } from "node:path";
import { original as fs } from "./originals.ts";

/** As many threads as Node has for file calls, unless UV_THREADPOOL_SIZE says otherwise. */
const THREADS = 4;

/**
 * Every thread of the pool opens a FIFO that nobody writes to: it never comes back.
 * @param directory where the FIFO is to be
 */
export function occupyThreadPool(directory: string): void {
  const folder = fs.mkdtempSync(join(directory, "fifo-"));
  const fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  for (let thread = 0; thread < THREADS; thread += 1) {
    fs.open(fifo, constants.O_RDONLY, () => {});
  }
}

/** Nothing of this thread goes on, not even its timers. */
export function blockForEver(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** What waits, so that nothing of it is collected: a file that is would end the process. */
const waiting: (() => void)[] = [];

/** A promise that never settles. */
export function never(): Promise<void> {
  return new Promise((resolve) => void waiting.push(resolve));
}
