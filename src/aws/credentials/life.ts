import type { Clock } from "../../lib/clock.ts";

/** How long credentials are good for. */
export type Life =
  /** As long as no service refuses them. */
  | { readonly kind: "endless" }
  /** Until a moment that whoever made them has named, in milliseconds since 1970. */
  | { readonly kind: "until"; readonly readAt: number; readonly expiresAt: number }
  /**
   * Nobody says, but they may be replaced at any time: as read at this moment, in milliseconds
   * since boot, so that a wall clock that is set changes nothing.
   */
  | { readonly kind: "synthetic"; readonly readAt: number };

/** What is due: nothing; a read beside the work; a read before the work; or there are none left. */
export type Stage = "fresh" | "refresh" | "due" | "over";

const MINUTE_MS = 60_000;

/** The SDKs refresh so long before the end; instance metadata has new ones by then. */
const REFRESH_BEFORE_MS = 5 * MINUTE_MS;
/** A request that is signed now may travel for so long. */
const DUE_BEFORE_MS = MINUTE_MS;

/** amazon-ssm-agent replaces its file half an hour before the old credentials end. */
const SYNTHETIC_REFRESH_MS = 3 * MINUTE_MS;
/** The expiration that synthetic lives tell the SDK, and when a read is waited for. */
export const SYNTHETIC_LIFE_MS = 5 * MINUTE_MS;
/** Until then a file that is missing or half written is forgiven. */
const SYNTHETIC_END_MS = 15 * MINUTE_MS;

/** Says what is due now. */
export function stageOf(life: Life, clock: Pick<Clock, "now" | "boottime">): Stage {
  switch (life.kind) {
    case "endless":
      return "fresh";
    case "until": {
      // Those that were given shortly before their end are not asked for again on every request.
      const whole = life.expiresAt - life.readAt;
      const left = life.expiresAt - clock.now();
      if (left <= 0) return "over";
      if (left <= Math.min(DUE_BEFORE_MS, whole / 4)) return "due";
      return left <= Math.min(REFRESH_BEFORE_MS, whole / 2) ? "refresh" : "fresh";
    }
    case "synthetic": {
      const age = clock.boottime() - life.readAt;
      if (age >= SYNTHETIC_END_MS) return "over";
      if (age >= SYNTHETIC_LIFE_MS) return "due";
      return age >= SYNTHETIC_REFRESH_MS ? "refresh" : "fresh";
    }
  }
}
