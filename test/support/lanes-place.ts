import { Lanes } from "../../src/agent/lanes.ts";
import type { Sweeper } from "../../src/agent/sweeper.ts";
import type { Route, Workplace } from "../../src/agent/workplace.ts";
import type { RouteConfig } from "../../src/config/config.ts";
import { configurationError } from "../../src/lib/errors.ts";
import { Progress } from "../../src/lib/progress.ts";
import type { EventName } from "../../src/logs/events.ts";
import type { LastSweep } from "../../src/sweep/host-state.ts";
import { type SweepReport, Tally } from "../../src/sweep/report.ts";
import { checkedLogger } from "./checked-logger.ts";
import { ManualClock, settle } from "./manual-clock.ts";

/** Lanes over a workplace that knows no disk, and sweeps that last until the test ends them. */
export class LanesPlace {
  readonly clock = new ManualClock(Date.UTC(2026, 0, 1));
  readonly stop = new AbortController();
  readonly progress = new Progress(this.clock);
  /** Sweeps under way, by the prefix of their route: what they go by. */
  readonly under: { readonly prefix: string; readonly end: () => void }[] = [];
  readonly begun: string[] = [];
  readonly open = new Set<string>();
  /** What sweeps were asked to do, and which. */
  readonly told: string[] = [];
  readonly events: EventName[] = [];
  readonly records: Readonly<Record<string, unknown>>[] = [];
  /** What sweeps find, beside nothing. */
  found: Partial<SweepReport> = {};
  /** What was written down of earlier sweeps, by route. */
  readonly kept = new Map<string, LastSweep>();
  /** Directories that cannot be opened. */
  readonly broken = new Set<string>();
  readonly lanes: Lanes;

  /** @param waitedMs how long an agent before this one had waited for a sweep */
  constructor({ waitedMs = 0 } = {}) {
    const openRoute = async (config: RouteConfig): Promise<Route> => {
      const path = config.settings.directory;
      if (this.broken.has(path)) throw configurationError(`${path} is broken`, "Mend it.");
      if (this.open.has(path)) throw configurationError(`${path} is held`, "Leave it.");
      this.open.add(path);
      return {
        config,
        directory: { path } as Route["directory"],
        [Symbol.asyncDispose]: async () => void this.open.delete(path),
      };
    };
    const workplace: Partial<Workplace> = {
      openRoute,
      openIfWanted: async (config) => (config.isImplied ? undefined : await openRoute(config)),
      refreshRoute: async (route) => route,
      watchOnly: async () => undefined,
      openState: async () =>
        ({
          recordFailedSweep: async () => undefined,
          lastSweep: (route: string) => this.kept.get(route),
        }) as unknown as Awaited<ReturnType<Workplace["openState"]>>,
    };
    const sweeper: Partial<Sweeper> = {
      sweep: async ({ config }, _config, { stop, cancel }) => {
        const { prefix } = config.settings;
        const { promise, resolve } = Promise.withResolvers<void>();
        const startedAt = this.clock.now();
        this.begun.push(prefix);
        const own = { prefix, end: resolve };
        this.under.push(own);
        stop.addEventListener("abort", () => {
          if (this.under.includes(own)) this.told.push(`stop ${prefix}`);
        });
        cancel.addEventListener("abort", () => {
          if (this.under.includes(own)) this.told.push(`cancel ${prefix}`);
          resolve();
        });
        await promise;
        const { clock } = this;
        const times = { startedAt, endedAt: clock.now(), durationMs: clock.now() - startedAt };
        const report = new Tally(() => 0).report({ ...times, isInterrupted: stop.aborted });
        return { ...report, ...this.found };
      },
    };
    const logger = checkedLogger(this.clock);
    this.lanes = new Lanes({
      sweeper: sweeper as Sweeper,
      workplace: workplace as Workplace,
      logger: {
        log: (event, fields) => {
          this.events.push(event);
          this.records.push({ event, ...fields });
          logger.log(event, fields);
        },
        setLevel() {},
        setFileEvents() {},
      },
      progress: this.progress,
      clock: this.clock,
      hostId: "h1",
      workingDirectory: "/",
      waitedMs,
      effective: () => undefined,
      stop: this.stop.signal,
      cancel: new AbortController().signal,
      onChange: () => {},
    });
  }

  /** Ends the sweeps under way, or those of one route. */
  async end(prefix?: string): Promise<void> {
    const ended = this.under.filter((one) => prefix === undefined || one.prefix === prefix);
    for (const one of ended) {
      this.under.splice(this.under.indexOf(one), 1);
      one.end();
    }
    await settle();
  }

  async close(): Promise<void> {
    this.stop.abort();
    await this.end();
    await this.lanes.ended();
  }
}
