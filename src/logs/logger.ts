import { pino } from "pino";
import type { Random } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { stableFraction } from "../lib/stable-fraction.ts";
import { type EventName, eventRule, type FieldsOf, LEVELS, type Level } from "./events.ts";

/** Takes finished records: one JSON object as text, without a line end. */
export interface RecordSink {
  /** @param timestamp when it happened, in wall-clock milliseconds */
  write(line: string, timestamp: number): void;
}

/** Which records of files go to CloudWatch Logs, where each of them has its price. */
export interface FileEventsChoice {
  /** `failures`: none of those that need nobody. */
  readonly which: "all" | "failures";
  /** 0 to 100: of how many files those that need nobody go there. */
  readonly percent: number;
}

/** Writes records of events. */
export interface Logger {
  /**
   * Writes a record, if its level is wanted.
   * @param fields further members of the record, as `EVENTS` says
   */
  log<Event extends EventName>(event: Event, fields: FieldsOf<Event>): void;
  /** The least level that is written from now on. */
  setLevel(level: Level): void;
  /** Which records of files go to CloudWatch Logs from now on. */
  setFileEvents(choice: FileEventsChoice): void;
}

export interface LoggerOptions {
  readonly clock: Clock;
  /** Makes the ids of this logger's records other ones than those of all others. */
  readonly random: Random;
  /** Members of every record. */
  readonly base: { readonly fleet: string; readonly host: string; readonly version: string };
  /** Where every record goes: the journal, or a person. */
  readonly local: readonly RecordSink[];
  /** Where records of the agent's state go besides: CloudWatch Logs. */
  readonly state: readonly RecordSink[];
  /** Where records of single files go besides: CloudWatch Logs. */
  readonly files: readonly RecordSink[];
}

/** What is as it should be with a file. Where records have a price these may be left out. */
const FILE_SUCCESSES: ReadonlySet<EventName> = new Set([
  "file.removed",
  "file.waiting",
  "file.ignored",
]);

/** In base 36; of as many loggers as a fleet has in a day hardly two have the same. */
const ID_LENGTH = 8;

/** Makes the logger: pino builds the records, the sinks carry them off. */
export function makeLogger(options: LoggerOptions): Logger {
  const { clock, random, base, local, state, files } = options;
  const prefix = Math.floor(random() * 36 ** ID_LENGTH)
    .toString(36)
    .padStart(ID_LENGTH, "0");
  let count = 0;
  let least: Level = "info";
  let fileEvents: FileEventsChoice = { which: "all", percent: 100 };
  let timestamp = 0;
  let sinks: readonly (readonly RecordSink[])[] = [];
  const writer = pino(
    {
      base,
      // Which levels are wanted is decided below: metrics are, whatever the level.
      level: "debug",
      formatters: { level: (level) => ({ level }) },
      timestamp: () => {
        timestamp = clock.now();
        return `,"time":"${new Date(timestamp).toISOString()}"`;
      },
    },
    {
      write(line: string) {
        const record = line.trimEnd();
        for (const sink of sinks.flat()) sink.write(record, timestamp);
      },
    },
  );

  /** Whether a record that needs nobody goes to CloudWatch Logs: all of a file's do, or none. */
  function isSampled(path: string): boolean {
    const { which, percent } = fileEvents;
    if (which === "failures") return false;
    return percent >= 100 || stableFraction(path, "file-events") * 100 < percent;
  }

  return {
    log(event, fields: { readonly path?: string }) {
      const { level = "info", metrics } = eventRule(event) ?? {};
      const isWanted = LEVELS.indexOf(level) >= LEVELS.indexOf(least);
      // Alarms rest on the metrics, so no setting turns them off.
      if (!isWanted && metrics === undefined) return;
      let remote = event.startsWith("file.") ? files : state;
      let sampled = {};
      if (FILE_SUCCESSES.has(event)) {
        const { percent } = fileEvents;
        if (percent < 100) sampled = { sampledPercent: percent };
        if (!isSampled(fields.path ?? "")) remote = [];
      }
      if (local.length + remote.length === 0) return;
      sinks = [local, remote];
      count += 1;
      writer[level]({ id: `${prefix}-${count.toString(36)}`, event, ...fields, ...sampled });
    },
    setLevel(level) {
      least = level;
    },
    setFileEvents(choice) {
      fileEvents = choice;
    },
  };
}
