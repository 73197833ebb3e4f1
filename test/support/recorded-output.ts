import type { ChildProcess } from "node:child_process";
import { subscribe, tracingChannel } from "node:diagnostics_channel";
import { mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { SECRET_MARK } from "../../tools/marks.ts";

/**
 * Loaded before every test, and by whoever else starts agents for one. If S3OA_RECORDS_DIR names a
 * directory, everything is kept there that children write to pipes (PID.output) and that loggers of
 * this process write (PID.records), whole lines in order, for `tools/check-records.ts`.
 */
const DIRECTORY = process.env["S3OA_RECORDS_DIR"];

const NEWLINE = 0x0a;
/** A line that is longer, or has no end, is no record. */
const LINE_BYTES_MAX = 2 ** 20;

if (DIRECTORY !== undefined && DIRECTORY !== "") record(DIRECTORY);

function record(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const fileOf = (kind: string) => openSync(join(directory, `${process.pid}.${kind}`), "a");
  const [output, records] = [fileOf("output"), fileOf("records")];
  // https://nodejs.org/api/diagnostics_channel.html#child-process
  subscribe("child_process", (message) => {
    const child = (message as { readonly process: ChildProcess }).process;
    child.once("spawn", () => {
      if (child.spawnargs.some(isMeantToTell)) return;
      for (const stream of [child.stdout, child.stderr]) if (stream !== null) copy(stream, output);
    });
  });
  // What pino makes of a record, as text with a line end.
  tracingChannel("pino_asJson").subscribe({
    end(message) {
      if ("result" in message) writeSync(records, String(message.result));
    },
    start() {},
    asyncStart() {},
    asyncEnd() {},
    error() {},
  });
}

/** Tests of a mutated agent leak on purpose, and a program that has a secret in its arguments is no agent. */
function isMeantToTell(argument: string): boolean {
  return argument.endsWith("/mocha.js") || argument.includes(SECRET_MARK);
}

/** Copies what arrives at a stream, whoever reads it and whenever: nothing is taken from him. */
function copy(stream: Readable, fd: number): void {
  let rest: Buffer = Buffer.alloc(0);
  const { push } = stream;
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (Buffer.isBuffer(chunk)) rest = Buffer.concat([rest, chunk]);
    const end = rest.length > LINE_BYTES_MAX ? rest.length : rest.lastIndexOf(NEWLINE) + 1;
    if (end > 0) writeSync(fd, rest.subarray(0, end));
    rest = rest.subarray(end);
    // The end of the output: what has no line end may hold a secret all the same.
    if (chunk === null && rest.length > 0) writeSync(fd, `${rest}\n`);
    return push.call(stream, chunk, encoding);
  };
}
