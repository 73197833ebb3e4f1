import { fileURLToPath } from "node:url";

/** The errors that a step can be made to fail with. */
export type PlannedErrno = "EIO" | "ENOSPC" | "EACCES" | "EMFILE" | "EROFS";

/** A blow of the striker that happens right before a step; `Striker.plan` makes it. */
export interface PlannedStrike {
  /** FIFO that the striker reads orders from. */
  readonly orders: string;
  /** FIFO that it answers on. */
  readonly answers: string;
  /** A line of JSON with an `id`. */
  readonly order: Readonly<Record<string, unknown>> & { readonly id: string };
}

/**
 * What the fault hook does inside the agent's process. A step is one call of Node's fs functions,
 * a FileHandle, or a kernel call through koffi whose operand lies below one of the directories of
 * `under`; steps are numbered 1, 2, 3 ... in the order in which they begin. Their names are those of
 * Node (`open`, `read`, `unlink`, whatever the flavour), and `kernel:NAME` for kernel calls.
 */
export interface FaultPlan {
  /** Real absolute paths: the watched directory, the state directory, or both. */
  readonly under: readonly string[];
  /**
   * Those of them, or below them, where calls are no steps: what is done there at its own pace would
   * make the n-th step another one each time. A sync there is none the less one.
   */
  readonly except?: readonly string[];
  /** A file to which a line of JSON (`TracedStep`) is appended before and after each step. */
  readonly trace?: string;
  /** Regular expression: only steps with such a name are numbered. */
  readonly op?: string;
  /** The number of the step at which the plan comes true. */
  readonly at?: number;
  /** All steps from `at` on, not that one only. */
  readonly every?: boolean;
  /**
   * The hangs: a call whose promise or callback never comes; every thread of Node's pool stuck for
   * good, as in a dead mount; the event loop itself blocked.
   */
  readonly action?:
    | "kill-before"
    | "kill-after"
    | "error"
    | "hang"
    | "hang-thread-pool"
    | "hang-event-loop";
  /** For the action `error`; EIO if left out. */
  readonly errno?: PlannedErrno;
  /**
   * A kill is a power cut as well: what was not synced below this directory is gone. Names that
   * were not synced (a rename, a new file) are kept, with the contents that were synced, or lost.
   */
  readonly powerLoss?: { readonly directory: string; readonly names: "kept" | "lost" };
  readonly strike?: PlannedStrike;
}

/** One line of a trace. */
export interface TracedStep {
  readonly n: number;
  readonly op: string;
  readonly path: string;
  readonly when: "before" | "after";
  /** The code of the error that the step ended with. */
  readonly error?: string;
}

const HOOK = fileURLToPath(new URL("./fault-hook/install.ts", import.meta.url));

/** The arguments of `node` that come before the program so that a plan holds in it. */
export const HOOK_ARGUMENTS: readonly string[] = ["--import", HOOK];

/** The environment that carries a plan. */
export function planEnvironment(plan: FaultPlan): Readonly<Record<string, string>> {
  return { FAULT_PLAN: JSON.stringify(plan) };
}
