import { constants } from "node:fs";
import type { PlannedStrike } from "../fault-plan.ts";
import { original as fs } from "./originals.ts";

/** No hang is for ever; a strike takes milliseconds. */
const STRIKE_MS_MAX = 20_000;

const POLL_MS = 1;

/**
 * Lets the striker strike, and holds this whole process up until it says that it is done, or until
 * the kernel makes it wait for a lease that this process holds: then it can only go on when we do.
 * @throws Error if neither happens within 20 s, or no striker listens
 */
export function strike({ orders, answers, order }: PlannedStrike): void {
  const from = fs.openSync(answers, constants.O_RDONLY | constants.O_NONBLOCK);
  const to = fs.openSync(orders, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    fs.writeSync(to, `${JSON.stringify(order)}\n`);
    const buffer = Buffer.alloc(4096);
    const clock = new Int32Array(new SharedArrayBuffer(4));
    const giveUpAt = performance.now() + STRIKE_MS_MAX;
    let answer = "";
    while (performance.now() < giveUpAt) {
      answer += readAvailable(from, buffer);
      // A strike of an earlier process may have been done after that one went on.
      if (answer.split("\n").includes(`done ${order.id}`) || isWaitingForUs()) return;
      Atomics.wait(clock, 0, 0, POLL_MS);
    }
  } finally {
    fs.closeSync(from);
    fs.closeSync(to);
  }
  throw new Error(`the striker did not strike within ${STRIKE_MS_MAX} ms`);
}

function readAvailable(fd: number, buffer: Buffer): string {
  try {
    return buffer.toString("utf8", 0, fs.readSync(fd, buffer));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return "";
    throw error;
  }
}

/** Whether somebody waits for a lease of this process to end. */
function isWaitingForUs(): boolean {
  const waiting = new RegExp(`LEASE +BREAKING +\\w+ +${process.pid} `);
  return waiting.test(fs.readFileSync("/proc/locks", "utf8"));
}
