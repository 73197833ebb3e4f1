import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** Where the sizes of records are, which `npm run cost:measure` writes. */
export const MEASURED_FILE = fileURLToPath(new URL("measured.json", import.meta.url));

/** How long records of real agents are, in bytes of UTF-8, without what the service adds. */
export interface Measured {
  /** The day, in UTC. */
  readonly at: string;
  readonly version: string;
  readonly heartbeatBytes: number;
  /** Of a sweep without files. */
  readonly sweepBytes: number;
  /** What each upload adds to that, up to 100 of them: its latency. */
  readonly sweepBytesPerUpload: number;
  readonly fileRemovedBytes: number;
  readonly fileFailedBytes: number;
}

export async function readMeasured(): Promise<Measured> {
  return JSON.parse(await readFile(MEASURED_FILE, "utf8"));
}

export async function writeMeasured(measured: Measured): Promise<void> {
  await writeFile(MEASURED_FILE, `${JSON.stringify(measured, undefined, 2)}\n`);
}
