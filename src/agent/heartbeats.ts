import type { Clock } from "../lib/clock.ts";
import { stableFraction } from "../lib/stable-fraction.ts";

/** Heartbeats are counted in periods of five minutes of UTC. */
export const SLOT_MS = 300_000;
/** A period's first and last seconds are left to the clocks of hosts, which differ. */
const MARGIN_MS = 10_000;
/** Over so much of a period the hosts of a fleet are spread. */
const SPREAD_MS = 240_000;

export interface HeartbeatsOptions {
  readonly hostId: string;
  readonly clock: Clock;
  /** The number of the slot that had its heartbeat last; undefined: none is known. */
  readonly lastSlot: number | undefined;
  /** Keeps that number over restarts. Never throws. */
  readonly keepSlot: (slot: number) => Promise<void>;
  /**
   * Writes the heartbeat, within seconds. Never throws.
   * @param slotAt when the slot began, in wall-clock milliseconds
   */
  readonly beat: (slotAt: number) => Promise<void>;
}

/** When a host's heartbeat of a slot is due, in wall-clock milliseconds. */
export function beatAt(hostId: string, slot: number): number {
  return slot * SLOT_MS + MARGIN_MS + stableFraction(hostId, "beat") * SPREAD_MS;
}

/**
 * One heartbeat for each slot of five minutes, never two: they are counted, and the count is
 * compared with the number of hosts that there should be. INVARIANTS:
 *
 * - A slot is written down before its heartbeat: after a crash between the two it has none.
 * - A slot whose moment has passed is left out, not caught up: a fleet that is started as one must
 *   not beat as one. So is one whose writing down took until its end.
 */
export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  #lastSlot: number | undefined;

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
    this.#lastSlot = options.lastSlot;
  }

  /** Until `stop` aborts. Never throws. */
  async run(stop: AbortSignal): Promise<void> {
    const { clock, hostId } = this.#options;
    while (!stop.aborted) {
      const now = clock.now();
      const here = Math.floor(now / SLOT_MS);
      const slot = this.#isFree(here) && beatAt(hostId, here) >= now ? here : here + 1;
      const dueAt = beatAt(hostId, slot);
      await clock.sleep(dueAt - now, stop).catch(() => undefined);
      if (stop.aborted) return;
      // A clock that was set, or a machine that slept: the moment may be another one by now.
      const isInSlot = Math.floor(clock.now() / SLOT_MS) === slot;
      if (isInSlot && clock.now() >= dueAt && this.#isFree(slot)) await this.#beat(slot);
    }
  }

  /** A number from the future was written by a clock that was wrong: it binds nobody. */
  #isFree(slot: number): boolean {
    const last = this.#lastSlot;
    return last === undefined || slot > last || last > slot + 1;
  }

  async #beat(slot: number): Promise<void> {
    this.#lastSlot = slot;
    await this.#options.keepSlot(slot);
    // A disk that took so long would have it counted in the next slot, which has one of its own.
    const isStillInSlot = this.#options.clock.now() < (slot + 1) * SLOT_MS - MARGIN_MS;
    if (isStillInSlot) await this.#options.beat(slot * SLOT_MS);
  }
}
