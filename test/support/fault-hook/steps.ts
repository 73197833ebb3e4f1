import { constants } from "node:os";
import { posix } from "node:path";
import { getSystemErrorMessage } from "node:util";
import type { FaultPlan, PlannedErrno, TracedStep } from "../fault-plan.ts";
import { blockForEver, occupyThreadPool } from "./hang.ts";
import { isUnder, latin, type Operand, textOf } from "./operands.ts";
import { original as fs } from "./originals.ts";
import { PowerLoss } from "./power-loss.ts";
import { strike } from "./strike.ts";

/** One step of the agent, from just before it to just after it. */
export interface Step {
  readonly op: string;
  /** What the step is to fail with instead of being done. */
  readonly failsWith: PlannedErrno | undefined;
  /** The step is never to come to its end. */
  readonly hangs: boolean;
  /** To be called when it was done: `error` is what it ended with by itself. */
  done(error?: unknown): void;
}

/** How the agent ends when the hook itself fails: like nothing that the agent does. */
const HOOK_FAILED_EXIT_CODE = 97;

/** Numbers the steps and makes the plan come true. */
export class Steps {
  readonly power: PowerLoss | undefined;
  readonly #plan: FaultPlan;
  readonly #under: readonly Operand[];
  readonly #except: readonly Operand[];
  readonly #op: RegExp | undefined;
  #count = 0;

  constructor(plan: FaultPlan) {
    this.#plan = plan;
    this.#under = plan.under.map(latin);
    this.#except = (plan.except ?? []).map(latin);
    this.#op = plan.op === undefined ? undefined : new RegExp(plan.op);
    this.power = plan.powerLoss && new PowerLoss(plan.powerLoss);
  }

  /**
   * To be called right before a call; may not return.
   * @param operands what the call works on
   * @returns undefined if the call is no step of this plan
   */
  begin(op: string, operands: readonly (Operand | undefined)[]): Step | undefined {
    const operand = operands.find((one) => one !== undefined && isUnder(one, this.#under));
    if (operand === undefined) return undefined;
    // Not numbered, but a sync is none the less one.
    if (this.#op?.test(op) === false || isUnder(operand, this.#except))
      return { op, failsWith: undefined, hangs: false, done() {} };
    this.#count += 1;
    const n = this.#count;
    const path = textOf(operand);
    this.#trace({ n, op, path, when: "before" });
    const { at, every = false, action, errno = "EIO" } = this.#plan;
    const strikes = at !== undefined && (every ? n >= at : n === at);
    if (strikes) {
      this.#strike();
      if (action === "kill-before") this.#kill();
      if (action === "hang-thread-pool") occupyThreadPool(posix.dirname(this.#plan.under[0] ?? ""));
      if (action === "hang-event-loop") blockForEver();
    }
    return {
      op,
      failsWith: strikes && action === "error" ? errno : undefined,
      hangs: strikes && action === "hang",
      done: (error) => {
        const code = error instanceof Error && "code" in error ? `${error.code}` : undefined;
        this.#trace({ n, op, path, when: "after", ...(code === undefined ? {} : { error: code }) });
        if (strikes && action === "kill-after") this.#kill();
      },
    };
  }

  #trace(step: TracedStep): void {
    if (this.#plan.trace === undefined) return;
    fs.appendFileSync(this.#plan.trace, `${JSON.stringify(step)}\n`);
  }

  #strike(): void {
    if (this.#plan.strike === undefined) return;
    try {
      strike(this.#plan.strike);
    } catch (error) {
      fs.writeSync(2, `fault hook: ${error}\n`);
      process.exit(HOOK_FAILED_EXIT_CODE);
    }
  }

  #kill(): never {
    this.power?.cut();
    process.kill(process.pid, "SIGKILL");
    // The signal ends this thread on its way back from the kernel; if ever not at once, then soon.
    for (;;);
  }
}

/** An error as Node makes it. */
export function systemError(code: PlannedErrno, op: string, path: unknown): Error {
  const errno = -constants.errno[code];
  const where = typeof path === "string" ? ` '${path}'` : "";
  return Object.assign(new Error(`${code}: ${getSystemErrorMessage(errno)}, ${op}${where}`), {
    errno,
    code,
    syscall: op,
    ...(typeof path === "string" ? { path } : {}),
  });
}
