import type { FieldName, FieldValue } from "./fields.ts";
import { FILE_EVENTS } from "./file-events.ts";
import type { MetricName } from "./metrics.ts";
import { STATE_EVENTS } from "./state-events.ts";

/** How much a record matters, from least to most. */
export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];

/** Metrics of a record, and by which dimensions each of them is kept. */
export interface MetricSet {
  readonly dimensions: readonly (readonly ("Fleet" | "Route")[])[];
  readonly names: readonly MetricName[];
}

export interface EventRule {
  readonly level: Level;
  readonly doc: string;
  /** Every record of the event has these fields. */
  readonly required: readonly FieldName[];
  /** It has these where they are known, or there is such a thing. */
  readonly optional: readonly FieldName[];
  readonly metrics?: readonly MetricSet[];
}

/**
 * Every event that the agent logs, with its level, what it says, and the fields and metrics of its
 * records. The names are an interface: saved queries and alarms use them. `file.*` goes to the
 * group of files, the rest to the group of states. `docs/events.md` is made from this.
 */
export const EVENTS = { ...STATE_EVENTS, ...FILE_EVENTS };

export type EventName = keyof typeof EVENTS;

/** The names of all events, in the order of the table. */
export const EVENT_NAMES = Object.keys(EVENTS) as EventName[];

/** An event's rule, with all that it may have. @returns undefined if there is no such event */
export function eventRule(name: string): EventRule | undefined {
  return Object.hasOwn(EVENTS, name) ? EVENTS[name as EventName] : undefined;
}

type Required<Event extends EventName> = (typeof EVENTS)[Event]["required"][number];
type Optional<Event extends EventName> = (typeof EVENTS)[Event]["optional"][number];

/** The members that make a record carry metrics; see emf.ts. */
export interface MetricMembers {
  readonly _aws?: unknown;
}

/**
 * The fields of an event's record, beyond those of every record. An undefined one is left out of
 * the record.
 */
export type FieldsOf<Event extends EventName> = {
  readonly [Name in Required<Event>]: FieldValue<Name>;
} & {
  readonly [Name in Optional<Event>]?: FieldValue<Name> | undefined;
} & ((typeof EVENTS)[Event] extends { readonly metrics: unknown } ? MetricMembers : unknown);
