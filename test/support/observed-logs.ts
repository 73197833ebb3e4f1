import type { Clock } from "../../src/lib/clock.ts";
import type { LogDestination } from "../../src/logs/log-destination.ts";
import type { Logger, RecordSink } from "../../src/logs/logger.ts";
import { LogShipper } from "../../src/logs/shipper.ts";
import { Spool } from "../../src/logs/spool.ts";
import { SpoolSpace } from "../../src/logs/spool-space.ts";
import type { LogRecord } from "../../tools/cloudwatch/metric-points.ts";

/** CloudWatch Logs in memory: what has arrived there, from all hosts. */
export interface ObservedLogs {
  readonly records: LogRecord[];
  /** Takes nothing at the moment. */
  isDown: boolean;
}

/** What the ways to it need to know of a host. */
export interface LogSource {
  readonly logs: ObservedLogs;
  /** The log group's name. */
  readonly group: string;
  readonly stream: string;
  readonly clock: Clock;
  /** Whether its credentials are still good. */
  readonly isSigned: () => boolean;
}

/** How long a record is on its way: so often the shipper sends. */
const SHIPPING_MS = 5_000;

/**
 * The way to CloudWatch Logs without the shipper, for simulations of a day: it would wake up 17,000
 * times. Records wait on it while there are no credentials.
 */
export function makeShortWay({ logs, group, stream, isSigned }: LogSource): RecordSink {
  const waiting: LogRecord[] = [];
  return {
    write: (message, at) => {
      waiting.push({ at, group, stream, message });
      if (!isSigned() || logs.isDown) return;
      const arrivedAt = at + SHIPPING_MS;
      for (const record of waiting.splice(0)) logs.records.push({ ...record, arrivedAt });
    },
  };
}

/** Of a spool that overflows within an hour. */
const SPOOL_BYTES = 64 * 2 ** 10;
const MEMORY_BYTES = 16 * 2 ** 10;

/** The way with the product's own spool, a small one, and shipper. */
export async function openLongWay(
  source: LogSource & { readonly fleet: string; readonly directory: string },
): Promise<AsyncDisposable & { readonly sink: RecordSink; setLogger(logger: Logger): void }> {
  const { clock, fleet, directory } = source;
  const space = new SpoolSpace(SPOOL_BYTES);
  const spool = new Spool({ clock, space, memoryBytesMax: MEMORY_BYTES });
  const destination = makeDestination(source);
  const shipper = new LogShipper({ destination, spool, clock, random: () => 0.5, fleet });
  const stop = new AbortController();
  await spool.open(directory);
  const running = shipper.run(stop.signal);
  return {
    sink: shipper,
    setLogger: (logger) => shipper.setLogger(logger),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await spool.close();
    },
  };
}

function makeDestination({ logs, group, stream, clock, isSigned }: LogSource): LogDestination {
  return {
    name: stream,
    async put(events) {
      if (logs.isDown || !isSigned()) {
        return { kind: "failed", code: "ServiceUnavailableException", message: "down" };
      }
      for (const { timestamp: at, message } of events) {
        logs.records.push({ at, arrivedAt: clock.now(), group, stream, message });
      }
      return { kind: "accepted", rejected: 0 };
    },
    create: async () => undefined,
  };
}
