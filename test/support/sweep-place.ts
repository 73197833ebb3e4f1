import { mkdtempDisposable, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { observeFiles } from "../../src/agent/sweep-records.ts";
import type { Decision } from "../../src/sweep/decide.ts";
import type { Entry } from "../../src/sweep/entry.ts";
import type { Outcome } from "../../src/sweep/outcome.ts";
import {
  type Notice,
  type SweepObserver,
  type SweepOptions,
  sweep,
} from "../../src/sweep/sweep.ts";
import { checkedLogger } from "./checked-logger.ts";
import { laterClock, MemoryStore } from "./memory-store.ts";
import { openContext } from "./transfer-context.ts";

/** Hears of everything in a sweep, and tells `then` of it. */
export class Listener implements SweepObserver {
  readonly #then: SweepObserver | undefined;
  constructor(then?: SweepObserver) {
    this.#then = then;
  }
  readonly decisions = new Map<string, Decision>();
  readonly outcomes = new Map<string, Outcome>();
  onDecided(entry: Entry, decision: Decision): void {
    this.decisions.set(entry.path.toString(), decision);
    this.#then?.onDecided(entry, decision);
  }
  onOutcome(entry: Entry, outcome: Outcome): void {
    this.outcomes.set(entry.path.toString(), outcome);
    this.#then?.onOutcome(entry, outcome);
  }
  onUnreadable(path: Buffer, error: Error): void {
    this.#then?.onUnreadable(path, error);
  }
  readonly notices: { readonly path: string; readonly notice: Notice }[] = [];
  onNotice(entry: Entry, notice: Notice): void {
    this.notices.push({ path: entry.path.toString(), notice });
    this.#then?.onNotice(entry, notice);
  }
  /** How many files ended like this, such as `kept deferred`. */
  count(ending: string): number {
    const endings = [...this.outcomes.values()].map((one) =>
      "reason" in one ? `${one.kind} ${one.reason}` : one.kind,
    );
    return endings.filter((one) => one === ending).length;
  }
}

/** A watched directory with so many files, a store, a state, and what sweeps of it take. */
export async function makePlace(files: number) {
  const root = await mkdtempDisposable(`${tmpdir()}/s3oa-sweep-`);
  const state = await mkdtempDisposable(`${tmpdir()}/s3oa-state-`);
  const names = Array.from({ length: files }, (_, index) => `f${index}`);
  await Promise.all(names.map((name) => writeFile(`${root.path}/${name}`, `content of ${name}`)));
  const store = new MemoryStore();
  const later = laterClock();
  let passedMs = 0;
  const clock = { ...later, now: () => later.now() + passedMs };
  // What is told of the sweeps must be in order, too.
  const about = { route: "main", bucket: "b", clock, told: new Set<string>() };
  const observer = new Listener(observeFiles(checkedLogger(clock), about));
  const open = () => openContext(root.path, store, { clock }, state.path);
  let context = await open();
  return {
    root: root.path,
    store,
    observer,
    clock,
    /** Lets so much time pass. */
    pass(ms: number): void {
      passedMs += ms;
    },
    /** Ends the agent and starts another one: all that it knows is what lies on disk. */
    async restart(): Promise<void> {
      await context[Symbol.asyncDispose]();
      context = await open();
    },
    run: (changes: Partial<SweepOptions> = {}) =>
      sweep({
        ...context,
        concurrency: 4,
        quarantineAfter: 3,
        observer,
        isDryRun: false,
        stop: new AbortController().signal,
        ...changes,
      }),
    context: () => context,
    left: () => readdir(root.path),
    async [Symbol.asyncDispose]() {
      await context[Symbol.asyncDispose]();
      await root.remove();
      await state.remove();
    },
  };
}

export type SweepPlace = Awaited<ReturnType<typeof makePlace>>;
