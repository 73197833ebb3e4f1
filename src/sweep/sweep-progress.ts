import { type Marks, UNWATCHED } from "../lib/progress.ts";

/** How far a sweep under way has got. */
export class SweepProgress {
  /** Who watches whether it hangs. */
  readonly marks: Marks;
  /** Files that are being uploaded or removed now. */
  filesInFlight = 0;
  /** Files that have come to an outcome. */
  filesDone = 0;

  constructor(marks: Marks = UNWATCHED) {
    this.marks = marks;
  }
}
