/** What became of the sweeps of all routes, since somebody asked last. */
export interface SweepCounts {
  readonly started: number;
  /** They came to an end, and there is a record of it. */
  readonly completed: number;
  /** They could not be done at all. */
  readonly failed: number;
  /** They lasted beyond the next due time, and have ended. */
  readonly overran: number;
  /** Due times that passed while a sweep of the same route was under way. */
  readonly missed: number;
}

export const NO_SWEEPS: SweepCounts = {
  started: 0,
  completed: 0,
  failed: 0,
  overran: 0,
  missed: 0,
};
