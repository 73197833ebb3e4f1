import { type Logger as Pino, pino } from "pino";
import type { Clock } from "../lib/clock.ts";
import { EVENTS, type EventName, LEVELS, type Level } from "./events.ts";

/** Takes finished records: one JSON object as text, without a line end. */
export interface RecordSink {
  /** @param timestamp when it happened, in wall-clock milliseconds */
  write(line: string, timestamp: number): void;
}

/** Writes records of events. */
export interface Logger {
  /** @param fields further members of the record, as `EVENTS` and the README describe them */
  log(event: EventName, fields?: Readonly<Record<string, unknown>>): void;
  /** The least level that is written from now on. */
  setLevel(level: Level): void;
  /** Which records of files are written from now on. */
  setFileEvents(which: "all" | "failures"): void;
}

export interface LoggerOptions {
  readonly clock: Clock;
  /** Members of every record. */
  readonly base: Readonly<Record<string, unknown>>;
  /** Where records of the agent's state go. */
  readonly state: readonly RecordSink[];
  /** Where records of single files go. */
  readonly files: readonly RecordSink[];
}

/** With `file-events` at `failures`, these are left out. */
const FILE_SUCCESSES: ReadonlySet<EventName> = new Set([
  "file.removed",
  "file.waiting",
  "file.ignored",
]);

/** The records that carry metrics: alarms rest on them, so no setting turns them off. */
const METRICS: ReadonlySet<EventName> = new Set([
  "sweep.completed",
  "agent.heartbeat",
  "logs.dropped",
  "logs.rejected",
]);

/** Makes the logger: pino builds the records, the sinks carry them off. */
export function makeLogger(options: LoggerOptions): Logger {
  const state = makePino(options, options.state);
  const files = makePino(options, options.files);
  let fileEvents: "all" | "failures" = "all";
  let least: Level = "info";
  return {
    log(event, fields = {}) {
      const { level } = EVENTS[event];
      const isWanted = LEVELS.indexOf(level) >= LEVELS.indexOf(least);
      if (!isWanted && !METRICS.has(event)) return;
      if (fileEvents === "failures" && FILE_SUCCESSES.has(event)) return;
      const logger = event.startsWith("file.") ? files : state;
      logger[level]({ event, ...fields });
    },
    setLevel(level) {
      least = level;
    },
    setFileEvents(which) {
      fileEvents = which;
    },
  };
}

function makePino({ clock, base }: LoggerOptions, sinks: readonly RecordSink[]): Pino {
  let timestamp = 0;
  return pino(
    {
      base,
      // Which levels are wanted is decided above: metrics are, whatever the level.
      level: "debug",
      formatters: { level: (level) => ({ level }) },
      timestamp: () => {
        timestamp = clock.now();
        return `,"time":"${new Date(timestamp).toISOString()}"`;
      },
    },
    {
      write(line: string) {
        for (const sink of sinks) sink.write(line.trimEnd(), timestamp);
      },
    },
  );
}
