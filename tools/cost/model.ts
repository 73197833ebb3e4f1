import { EVENT_OVERHEAD_BYTES } from "../../src/logs/batch.ts";
import { METRIC_VALUES_MAX } from "../../src/logs/emf.ts";
import { MULTIPART_BYTES_MIN, partBytesOf } from "../../src/sweep/part-plan.ts";
import type { Measured } from "./measured.ts";
import { GB, MONTH_HOURS, PRICES, type Price, STORED_SHARE } from "./prices.ts";
import type { StackCounts } from "./stack.ts";

/** A fleet, and how it is set. */
export interface Fleet {
  readonly hosts: number;
  /** Of each host. */
  readonly filesPerHour: number;
  readonly fileBytes: number;
  readonly routes: number;
  readonly scheduleMinutes: number;
  readonly fileEvents: "all" | "failures";
  readonly fileEventsPercent: number;
  readonly filesLogClass: "STANDARD" | "INFREQUENT_ACCESS";
  readonly stateLogDays: number;
  readonly filesLogDays: number;
  /** Of 100 files so many fail once. */
  readonly failuresPercent: number;
  readonly logAlarms: boolean;
  /** Whether the account pays for more calls a second to the Parameter Store. */
  readonly higherThroughput: boolean;
}

/** One line of the bill. */
export interface CostLine {
  readonly what: string;
  readonly amount: string;
  readonly dollars: number;
  readonly price: Price;
}

export interface Facts {
  readonly measured: Measured;
  readonly stack: StackCounts;
  readonly metrics: { readonly ofFleet: number; readonly ofRoute: number };
}

/** Heartbeats in an hour: one for each 300 s. */
const BEATS_PER_HOUR = 12;

/** Bytes of the fleet's log records in a month, as they are ingested. */
export function logBytes(fleet: Fleet, measured: Measured): { state: number; files: number } {
  const sized = (bytes: number) => bytes + EVENT_OVERHEAD_BYTES;
  const sweepsPerHour = (60 / fleet.scheduleMinutes) * fleet.routes;
  const perSweep = Math.min(fleet.filesPerHour / sweepsPerHour, METRIC_VALUES_MAX);
  const sweep = sized(measured.sweepBytes + perSweep * measured.sweepBytesPerUpload);
  const statePerHour = sweepsPerHour * sweep + BEATS_PER_HOUR * sized(measured.heartbeatBytes);
  const shown = fleet.fileEvents === "all" ? fleet.fileEventsPercent / 100 : 0;
  const filesPerHour =
    fleet.filesPerHour *
    (shown * sized(measured.fileRemovedBytes) +
      (fleet.failuresPercent / 100) * sized(measured.fileFailedBytes));
  const hours = fleet.hosts * MONTH_HOURS;
  return { state: statePerHour * hours, files: filesPerHour * hours };
}

/** The least pause between two polls, and how many a second a whole fleet makes (`fleet apply`). */
const POLL_SECONDS_MIN = 600;
const POLLS_PER_SECOND = 10;

/** Calls to the Parameter Store in a month, of a fleet that is steered by `fleet apply`. */
export function pollsOf(hosts: number): number {
  const pause = Math.max(POLL_SECONDS_MIN, hosts / POLLS_PER_SECOND);
  return (hosts * MONTH_HOURS * 3_600) / pause;
}

/** Requests to S3 for one file: one, or those of a multipart upload. */
export function putsPerFile(bytes: number): number {
  if (bytes <= MULTIPART_BYTES_MIN) return 1;
  return Math.ceil(bytes / partBytesOf(bytes)) + 2;
}

/** The bill of a month. */
export function monthOf(fleet: Fleet, { measured, stack, metrics }: Facts): readonly CostLine[] {
  const bytes = logBytes(fleet, measured);
  const isInfrequent = fleet.filesLogClass === "INFREQUENT_ACCESS";
  const puts = fleet.hosts * fleet.filesPerHour * MONTH_HOURS * putsPerFile(fleet.fileBytes);
  const custom = metrics.ofFleet + metrics.ofRoute * fleet.routes + stack.filterMetrics;
  const stored = (of: number, days: number) => (of / (MONTH_HOURS / 24)) * days * STORED_SHARE;
  const logAlarms = fleet.logAlarms ? stack.logAlarms : [];
  const scanned = logAlarms.reduce((sum, { runsPerMonth, hours }) => {
    return sum + runsPerMonth * hours * (bytes.state / MONTH_HOURS);
  }, 0);
  const gigabytes = (of: number) => `${text(of / GB)} GB`;
  const filePrice = isInfrequent ? PRICES.logIngestionInfrequent : PRICES.logIngestion;
  const line = (what: string, count: number, amount: string, price: Price): CostLine => {
    return { what, amount, dollars: count * price.dollars, price };
  };
  return [
    line("S3 requests", puts, text(puts), PRICES.put),
    line("Log of states", bytes.state / GB, gigabytes(bytes.state), PRICES.logIngestion),
    line("Log of files", bytes.files / GB, gigabytes(bytes.files), filePrice),
    ...[
      ["Kept log of states", stored(bytes.state, fleet.stateLogDays)] as const,
      ["Kept log of files", stored(bytes.files, fleet.filesLogDays)] as const,
    ].map(([what, of]) => line(what, of / GB, gigabytes(of), PRICES.logStorage)),
    line(
      "Parameter Store",
      fleet.higherThroughput ? pollsOf(fleet.hosts) : 0,
      `${text(pollsOf(fleet.hosts))} calls`,
      PRICES.parameterCall,
    ),
    line("Metrics", custom, text(custom), PRICES.metric),
    line("Alarms", stack.alarmMetrics, `${stack.alarmMetrics} metrics`, PRICES.alarmMetric),
    line(
      "Composite alarms",
      stack.compositeAlarms,
      text(stack.compositeAlarms),
      PRICES.compositeAlarm,
    ),
    line("Log alarms", logAlarms.length, text(logAlarms.length), PRICES.logAlarm),
    line("Queries of log alarms", scanned / GB, gigabytes(scanned), PRICES.logScan),
    line("Dashboard", stack.dashboards, text(stack.dashboards), PRICES.dashboard),
  ];
}

export function totalOf(lines: readonly CostLine[]): number {
  return lines.reduce((sum, { dollars }) => sum + dollars, 0);
}

/** What one setting would save of a month. */
export interface Saving {
  readonly knob: string;
  readonly dollars: number;
  /** What is given up. */
  readonly price: string;
}

/** Each knob turned alone, with what it saves; those that are turned already save nothing. */
export function savingsOf(fleet: Fleet, facts: Facts): readonly Saving[] {
  const now = totalOf(monthOf(fleet, facts));
  const knobs: readonly (readonly [string, Partial<Fleet>, string])[] = [
    [
      "`file-events` = `failures`",
      { fileEvents: "failures" },
      "No record of files that went well: what became of one is seen in the bucket, not in the log.",
    ],
    [
      "`file-events-percent` = 10",
      { fileEventsPercent: Math.min(10, fleet.fileEventsPercent) },
      "A tenth of these records, always of the same files.",
    ],
    [
      "FilesLogClass = INFREQUENT_ACCESS",
      { filesLogClass: "INFREQUENT_ACCESS" },
      "The group can only be queried; it cannot be changed later.",
    ],
    [
      "FilesLogDays = 7, StateLogDays = 30",
      {
        filesLogDays: Math.min(7, fleet.filesLogDays),
        stateLogDays: Math.min(30, fleet.stateLogDays),
      },
      "Older records are gone.",
    ],
    [
      "`schedule` twice as seldom",
      { scheduleMinutes: fleet.scheduleMinutes * 2 },
      "Files stay longer on their hosts.",
    ],
    ["LogAlarms = no", { logAlarms: false }, "Silent hosts are counted, but not named."],
  ];
  return knobs.map(([knob, change, price]) => {
    const dollars = now - totalOf(monthOf({ ...fleet, ...change }, facts));
    return { knob, dollars, price };
  });
}

/** A number for people: three digits that count, and thousands apart. */
export function text(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}
