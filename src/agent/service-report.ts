import type { Clock } from "../lib/clock.ts";
import type { Progress, Quiet } from "../lib/progress.ts";
import type { ServiceManager } from "../lib/service-manager.ts";
import type { Logger } from "../logs/logger.ts";

/** How often the status is looked at, if the service manager does not want to hear more often. */
const LOOK_MS_MAX = 10_000;
/** Without a service manager only records tell what hangs. */
const LOOK_ALONE_MS = 60_000;
/** However much changes, no more often. */
const STATUS_MS_MIN = 1_000;
/** A look that comes so much too late says that the whole process stood still. */
const LATE_MS_MIN = 2_000;
/** Systemd's default for a start and a reload is 90 seconds; a reload is told to have ended before. */
export const RELOAD_MS_MAX = 60_000;

export interface ServiceReportOptions {
  readonly manager: ServiceManager;
  readonly progress: Progress;
  readonly logger: Logger;
  readonly clock: Clock;
  /** How long the agent may take to end after it was asked to, in milliseconds. */
  readonly stopMsMax: number;
  readonly stop: AbortSignal;
}

/**
 * Tells the service manager how the agent is, from its start to its end. INVARIANTS:
 *
 * - The watchdog is fed at a third of its time, from the same loop as everything else in this
 *   process, and not while anything under way hangs: an agent that is blocked, or stands still
 *   though there is work, is started anew. An idle one is fed.
 * - What hangs is logged once, before the service manager acts.
 * - Every reload is said to have ended, whatever became of it.
 */
export class ServiceReport {
  readonly #options: ServiceReportOptions;
  readonly #lookMs: number;
  readonly #ended = new AbortController();
  #read: () => string = () => "starting";
  #wake = new AbortController();
  #told = "";
  #isReady = false;
  #reloads = 0;
  #stopAt: number | undefined;
  readonly #toldQuiet = new Set<string>();
  #looking: Promise<void> | undefined;

  constructor(options: ServiceReportOptions) {
    this.#options = options;
    const { isThere, watchdogMs = Number.POSITIVE_INFINITY } = options.manager;
    this.#lookMs = isThere ? Math.min(LOOK_MS_MAX, watchdogMs / 3) : LOOK_ALONE_MS;
  }

  /** Begins to look after the agent. */
  start(): void {
    const { stop } = this.#options;
    if (stop.aborted) this.#stopping();
    else stop.addEventListener("abort", () => this.#stopping(), { once: true });
    this.#looking = this.#lookAgain();
  }

  /** From now on this says how the agent is. */
  follow(read: () => string): void {
    this.#read = read;
    this.changed();
  }

  /** Something may be other than it was. */
  changed(): void {
    this.#wake.abort();
  }

  /** The agent works. */
  ready(): void {
    this.#isReady = true;
    this.#options.manager.ready();
    this.changed();
  }

  /**
   * The agent reads its configuration again.
   * @param done resolves when that has come to its end, either way; it is not waited for longer than
   *   RELOAD_MS_MAX
   */
  async reloading(done: Promise<void>): Promise<void> {
    const { manager, clock } = this.#options;
    this.#reloads += 1;
    manager.reloading();
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#ended.signal]);
    const time = clock.sleep(RELOAD_MS_MAX, signal).catch(() => undefined);
    await Promise.race([done.catch(() => undefined), time]);
    over.abort();
    this.#reloads -= 1;
    // One that began meanwhile ends later, and is the one that counts; so does the start.
    if (this.#reloads === 0 && this.#isReady && !this.#options.stop.aborted) this.ready();
  }

  /** The agent has ended: nothing is told any more but the last line. */
  async end(last: string): Promise<void> {
    this.#ended.abort();
    await this.#looking;
    this.#options.manager.status(last);
  }

  #stopping(): void {
    const { manager, clock, stopMsMax } = this.#options;
    this.#stopAt = clock.monotonic() + stopMsMax;
    manager.stopping();
    this.changed();
  }

  async #lookAgain(): Promise<void> {
    const { clock, progress } = this.#options;
    const ended = this.#ended.signal;
    while (!ended.aborted) {
      this.#wake = new AbortController();
      this.#look();
      const lookedAt = clock.monotonic();
      const pauseMs = Math.min(STATUS_MS_MIN, this.#lookMs);
      await clock.sleep(pauseMs, ended).catch(() => undefined);
      const woken = AbortSignal.any([ended, this.#wake.signal]);
      await clock.sleep(this.#lookMs - pauseMs, woken).catch(() => undefined);
      // Nobody could get on meanwhile; whether anything does, shows from now on.
      const lateMs = clock.monotonic() - lookedAt - this.#lookMs;
      if (lateMs > LATE_MS_MIN) progress.forgive(lateMs);
    }
  }

  #look(): void {
    const { manager, clock, progress } = this.#options;
    const quiet = progress.quiet();
    this.#tellQuiet(quiet);
    const [longest] = quiet;
    if (longest === undefined) manager.watchdog();
    const leftMs = (this.#stopAt ?? Number.POSITIVE_INFINITY) - clock.monotonic();
    const isOnTheWay = this.#stopAt === undefined ? !this.#isReady : leftMs > 0;
    // Three looks, as with the watchdog: one or two may come late.
    if (isOnTheWay && longest === undefined) {
      manager.extendTimeout(Math.min(3 * this.#lookMs, Math.max(leftMs, this.#lookMs)));
    }
    const status = longest === undefined ? this.#read() : quietText(longest);
    if (status === this.#told) return;
    this.#told = status;
    manager.status(status);
  }

  #tellQuiet(quiet: readonly Quiet[]): void {
    const names = new Set(quiet.map(({ name }) => name));
    for (const name of this.#toldQuiet) if (!names.has(name)) this.#toldQuiet.delete(name);
    for (const { name, step, quietMs } of quiet) {
      if (this.#toldQuiet.has(name)) continue;
      this.#toldQuiet.add(name);
      this.#options.logger.log("agent.stuck", {
        task: name,
        lastStep: step,
        quietSeconds: Math.round(quietMs / 1_000),
      });
    }
  }
}

function quietText({ name, step, quietMs }: Quiet): string {
  const minutes = Math.round(quietMs / 60_000);
  return `HANGS: ${name} has not got on for ${minutes} min, since "${step}"`;
}
