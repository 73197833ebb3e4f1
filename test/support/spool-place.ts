import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventName } from "../../src/logs/events.ts";
import { LogShipper } from "../../src/logs/shipper.ts";
import { Spool, type SpoolOptions } from "../../src/logs/spool.ts";
import { SpoolSpace } from "../../src/logs/spool-space.ts";
import { checkedLogger } from "./checked-logger.ts";
import { ManualClock } from "./manual-clock.ts";
import { StrictStream } from "./strict-stream.ts";

/** When it is in the tests of spools. */
export const START = Date.UTC(2026, 10, 24);

const never = new AbortController().signal;

/** One process's spool and shipper. */
export interface SpoolProcess {
  readonly spool: Spool;
  readonly space: SpoolSpace;
  readonly shipper: LogShipper;
  /** What it has told, without the metrics' envelope. */
  readonly told: { readonly event: EventName; readonly [field: string]: unknown }[];
  readonly refused: string[];
  readonly setAside: string[];
  /** Appends records, and waits until they are on disk or refused. */
  write(...lines: readonly string[]): Promise<void>;
  /** Sends all that waits, or tries to once. @returns how many records are left */
  flush(): Promise<number>;
}

/** A directory for spools, a clock and a log stream that outlast the processes that use them. */
export interface SpoolPlace extends AsyncDisposable {
  readonly folder: string;
  /** Of the spool that `start` opens. */
  readonly directory: string;
  readonly clock: ManualClock;
  readonly stream: StrictStream;
  /** Starts a process. What an earlier one had in memory is lost: it was killed, unless it was closed. */
  start(
    options?: Partial<SpoolOptions> & { readonly limitBytes?: number; readonly directory?: string },
  ): Promise<SpoolProcess>;
}

/** @param folder where it is made, if it is not a temporary directory */
export async function makeSpoolPlace(folder?: string): Promise<SpoolPlace> {
  const temporary =
    folder === undefined ? await mkdtempDisposable(`${tmpdir()}/s3oa-spool-`) : undefined;
  const path = temporary?.path ?? folder ?? "";
  const directory = join(path, "spool");
  const clock = new ManualClock(START);
  const stream = new StrictStream(() => clock.now());
  // A process that was killed has its descriptors closed; here that comes with the end of the place.
  const spools: Spool[] = [];
  return {
    folder: path,
    directory,
    clock,
    stream,
    async start({ limitBytes, directory: other, ...options } = {}) {
      const told: { event: EventName; [field: string]: unknown }[] = [];
      const refused: string[] = [];
      const setAside: string[] = [];
      const space = options.space ?? new SpoolSpace(limitBytes);
      const spool = new Spool({
        clock,
        owner: "/agent/web",
        onRefused: (message) => refused.push(message),
        onSetAside: (file) => setAside.push(file),
        ...options,
        space,
      });
      spools.push(spool);
      const about = { destination: stream, spool, clock, random: () => 0, fleet: "web" };
      const shipper = new LogShipper(about);
      const logger = checkedLogger(clock);
      shipper.setLogger({
        log: (event, fields) => {
          const { _aws, ...others } = fields as { readonly _aws?: unknown };
          told.push({ event, ...others });
          logger.log(event, fields);
        },
        setLevel() {},
        setFileEvents() {},
      });
      await spool.open(other ?? directory);
      return {
        spool,
        space,
        shipper,
        told,
        refused,
        setAside,
        async write(...lines) {
          for (const line of lines) shipper.write(line, clock.now());
          await spool.written();
        },
        flush: () => shipper.flush(never),
      };
    },
    async [Symbol.asyncDispose]() {
      for (const spool of spools) await spool.close();
      await temporary?.remove();
    },
  };
}

/** So many records whose messages say their numbers, of one length each. */
export function records(count: number, options: { from?: number; bytes?: number } = {}): string[] {
  const { from = 0, bytes = 10 } = options;
  return Array.from({ length: count }, (_, nth) => `r${from + nth} `.padEnd(bytes, "x"));
}

/** The numbers of such records. */
export function numbersOf(messages: readonly string[]): number[] {
  return messages.map((message) => Number.parseInt(message.slice(1), 10));
}
