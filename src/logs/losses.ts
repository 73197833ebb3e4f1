import { fleetMetrics } from "./emf.ts";
import type { FieldsOf } from "./events.ts";

/**
 * Why a record never reached CloudWatch Logs:
 *
 * - `full`: the spool may not grow beyond its limit; the oldest segment went.
 * - `old`: it is older than the service takes.
 * - `damaged`: it could not be read from the disk any more.
 * - `memory`: the disk did not take it, and memory for such records is bounded.
 * - `foreign`: this host belonged to another fleet when it was written, and could not send it then.
 *
 * Cursors name them by their places, so a new one comes last.
 */
export const LOSS_REASONS = ["full", "old", "damaged", "memory", "foreign"] as const;
export type LossReason = (typeof LOSS_REASONS)[number];

/** Records that were lost, by reason: those of this process, and those that nobody was told of yet. */
export class Losses {
  #untold = new Map<LossReason, number>();
  #total = 0;

  /** How many since the start. */
  get total(): number {
    return this.#total;
  }

  /** @param records negative: so many that were counted have arrived after all */
  add(reason: LossReason, records: number): void {
    this.#total += records;
    this.recall(reason, records);
  }

  /** Of an earlier process, which could not tell of them. */
  recall(reason: LossReason, records: number): void {
    this.#untold.set(reason, (this.#untold.get(reason) ?? 0) + records);
  }

  /** How many nobody was told of yet, in the order of LOSS_REASONS. */
  get untold(): readonly number[] {
    return LOSS_REASONS.map((reason) => this.#untold.get(reason) ?? 0);
  }

  /** Hands over what nobody was told of yet: the caller tells. */
  take(): readonly (readonly [reason: LossReason, records: number])[] {
    const taken = [...this.#untold].filter(([, records]) => records > 0);
    this.#untold = new Map();
    return taken;
  }
}

/**
 * What a record says of records that are lost, with the metric.
 * @param about.destination where they never came to
 * @param now wall-clock milliseconds
 */
export function lossFields(
  about: { readonly fleet: string; readonly destination: string; readonly records: number },
  now: number,
): FieldsOf<"logs.rejected"> {
  const { fleet, destination, records } = about;
  return { destination, records, ...fleetMetrics(fleet, { LogEventsDropped: records }, now) };
}
