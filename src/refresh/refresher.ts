import {
  type Config,
  type Host,
  type Resolved,
  refusalText,
  resolveParameters,
} from "../config/config.ts";
import { CHANGE_SETTLE_MS, parseRevision } from "../config/fleet-facts.ts";
import type { ParameterSet, ParameterSource } from "../config/parameters.ts";
import { fleetBackoffMs, type Random } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { ServiceError } from "../lib/errors.ts";
import type { Logger } from "../logs/logger.ts";
import { FullReading, hasRevision } from "./full-read.ts";
import {
  backoffOf,
  decidePoll,
  firstReadInMs,
  fullReadInMs,
  NOTHING_REMEMBERED,
  nextPollAt,
  type PolledRevisions,
  type RevisionMemory,
} from "./poll-plan.ts";
import { RefreshLog, type RefreshReport } from "./refresh-log.ts";

/** Until there is a configuration, parameters are asked for as often as the default says. */
const INTERVAL_MS_DEFAULT = 600_000;

/** What is kept over restarts: the parameters of the last good configuration, as they were read. */
export interface LastKnownGood {
  readonly set: ParameterSet;
  /** When they were read, in wall-clock milliseconds. */
  readonly readAt: number;
  readonly memory: RevisionMemory;
}

export interface RefresherOptions {
  readonly source: ParameterSource;
  readonly host: Host;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** The last good configuration of an earlier run. */
  readonly lastKnownGood: LastKnownGood | undefined;
  /** Keeps a good one for the next run. Never throws. */
  readonly keep: (good: LastKnownGood) => Promise<void>;
  /** Hears that another configuration waits to be taken. */
  readonly onDesired: () => void;
  /** Hears that `report` may be another one: a poll or a read has come to its end. */
  readonly onReport?: () => void;
  /** Makes a configuration of parameters; default: `resolveParameters`. */
  readonly resolve?: typeof resolveParameters;
}

/** A configuration that waits to be put into effect, with the parameters that it is made of. */
export interface Desired {
  readonly config: Config;
  readonly set: ParameterSet;
  readonly memory: RevisionMemory;
}

/**
 * Follows a host's parameters, at the pace that a fleet of a hundred thousand hosts can keep, and
 * holds what is new until it is taken. INVARIANTS:
 *
 * - Nobody waits for it but itself: the configuration in effect stays whatever happens here.
 * - A configuration is handed out only if it is valid as a whole and has settled; a person's own
 *   wish (`refreshNow`) takes what is there at once.
 * - What is kept for the next run has been in effect.
 */
export class Refresher {
  readonly #options: RefresherOptions;
  #effective: Config | undefined;
  #desired: Desired | undefined;
  #desiredHash: string | undefined;
  readonly #log: RefreshLog;
  #memory: RevisionMemory;
  #kept: LastKnownGood | undefined;
  /** What the last poll found. */
  #polled: PolledRevisions | undefined;
  /** A full read under way, with what was polled before it began: it is at least as new. */
  #reading:
    | { readonly pages: FullReading; readonly polled: PolledRevisions | undefined }
    | undefined;
  // The moments below are of the monotonic clock: a host whose wall clock is set goes on.
  #pollAt = Number.POSITIVE_INFINITY;
  /** When everything is to be read because something is new, or nothing is there yet. */
  #readAt = Number.POSITIVE_INFINITY;
  /** When everything is to be read although nothing is known to be new. */
  #fullReadAt: number;
  #hurry = new AbortController();
  #isWished = false;
  #tried = Promise.withResolvers<void>();

  constructor(options: RefresherOptions) {
    const { clock, random, lastKnownGood } = options;
    this.#options = options;
    this.#log = new RefreshLog(options);
    this.#kept = lastKnownGood;
    this.#memory = lastKnownGood?.memory ?? NOTHING_REMEMBERED;
    const everyMs = fullReadInMs(random);
    // A wall clock that was wrong then or is now makes no host wait longer than the interval.
    const sinceMs = Math.max(0, clock.now() - this.#memory.fullReadAt);
    this.#fullReadAt = clock.monotonic() + Math.max(0, everyMs - sinceMs);
    if (lastKnownGood === undefined) this.#readAt = clock.monotonic() + firstReadInMs(random);
    else this.#planPoll(true);
  }

  /** The configuration in effect, as it was read last; undefined: there is none yet. */
  get effective(): Config | undefined {
    return this.#effective;
  }

  get report(): RefreshReport {
    return {
      desiredHash: this.#desiredHash,
      effectiveHash: this.#effective?.hash,
      refusal: this.#log.refusal,
      unreachable: this.#log.unreachable,
      answeredAt: this.#log.answeredAt,
      nextPollAt: this.#nextCallAt(),
    };
  }

  /** Until `stop` aborts. Never throws. */
  async run(stop: AbortSignal): Promise<void> {
    const { clock, random, onReport } = this.#options;
    stop.addEventListener("abort", () => this.#hurry.abort(), { once: true });
    let failures = 0;
    while (!stop.aborted) {
      const dueAt = this.#isWished ? 0 : Math.min(this.#pollAt, this.#readAt);
      if (!(await this.#wait(dueAt - clock.monotonic(), stop))) return;
      try {
        await this.#step(stop);
        failures = 0;
        onReport?.();
      } catch (error) {
        if (stop.aborted) return;
        failures += 1;
        this.#log.failed(error, this.#effective?.hash);
        onReport?.();
        const isUrgent = this.#isWished || this.#effective === undefined;
        const asked = error instanceof ServiceError ? (error.retryAfterMs ?? 0) : 0;
        const backoff = backoffOf(isUrgent ? undefined : this.#intervalMs);
        const pause = Math.max(fleetBackoffMs(failures, backoff, random), asked);
        // A wish is fulfilled as soon as it can be; it does not hammer a service that is down.
        if (!(await this.#wait(pause, stop))) return;
      }
    }
  }

  /**
   * Reads everything now and takes it as it is: a person asks for it. Resolves when that has come
   * to its end, or has failed for the first time.
   */
  refreshNow(): Promise<void> {
    this.#isWished = true;
    this.#hurry.abort();
    return this.#tried.promise;
  }

  /** The configuration that waits to be put into effect, if there is one. */
  get desired(): Desired | undefined {
    return this.#desired;
  }

  /** A configuration is in effect: keeps it for the next run, unless it came from there. */
  async applied(config: Config, desired: Desired | undefined): Promise<void> {
    const before = this.#intervalMs;
    this.#effective = config;
    this.#desiredHash ??= config.hash;
    if (this.#intervalMs !== before && this.#pollAt !== Number.POSITIVE_INFINITY) {
      this.#planPoll(true);
      this.#hurry.abort();
    }
    if (desired === undefined) return;
    if (this.#desired === desired) this.#desired = undefined;
    if (this.#desiredHash === config.hash) this.#log.accepted();
    await this.#keep({ set: desired.set, readAt: config.readAt, memory: desired.memory });
  }

  /** Says why a configuration is not put into effect, once for each reason. */
  refused(reason: string, hint: string | undefined): void {
    const configHash = this.#effective?.hash;
    this.#log.refused(reason, { hint, configHash, desiredHash: this.#desiredHash });
  }

  get #intervalMs(): number {
    return this.#effective?.settings["refresh-interval"] ?? INTERVAL_MS_DEFAULT;
  }

  #planPoll(isFirst: boolean): void {
    const { clock, random, host } = this.#options;
    const now = clock.now();
    const about = { now, intervalMs: this.#intervalMs, isFirst };
    this.#pollAt = clock.monotonic() + nextPollAt(host.hostId, about, random) - now;
  }

  /** When the Parameter Store is asked next, in wall-clock milliseconds. */
  #nextCallAt(): number {
    const { clock } = this.#options;
    const leftMs = Math.min(this.#pollAt, this.#readAt) - clock.monotonic();
    return clock.now() + Math.max(0, leftMs);
  }

  /** @returns false if it was stopped; true when the time is over, or somebody hurries */
  async #wait(ms: number, stop: AbortSignal): Promise<boolean> {
    await this.#options.clock.sleep(Math.max(0, ms), this.#hurry.signal).catch(() => undefined);
    if (this.#hurry.signal.aborted) this.#hurry = new AbortController();
    return !stop.aborted;
  }

  /** What is due now: a full read, or a poll and what follows from it. @throws ServiceError */
  async #step(stop: AbortSignal): Promise<void> {
    const now = this.#options.clock.monotonic();
    if (this.#isWished) {
      // What was read before the wish may be older than what the person has in mind. So may this
      // be for one who wishes meanwhile: the wish is over before it is fulfilled, not after.
      this.#reading = undefined;
      const { resolve } = this.#tried;
      this.#tried = Promise.withResolvers();
      this.#isWished = false;
      try {
        await this.#readAll(stop, true);
      } catch (error) {
        this.#isWished = true;
        throw error;
      } finally {
        resolve();
      }
    } else if (now >= this.#readAt) {
      await this.#readAll(stop, false);
    } else if (now >= this.#pollAt) {
      const isReadDue = !this.#memory.isSeen || (await this.#isReadDue(stop));
      if (isReadDue) await this.#readAll(stop, false);
      this.#planPoll(false);
    }
    // The first answer of all: from now on the host has its place among the others.
    if (this.#pollAt === Number.POSITIVE_INFINITY) this.#planPoll(true);
  }

  /** Polls the revisions. @returns whether everything is to be read at once */
  async #isReadDue(stop: AbortSignal): Promise<boolean> {
    const { clock, host } = this.#options;
    const polled = await this.#poll(stop);
    this.#polled = polled;
    const about = { hostId: host.hostId, intervalMs: this.#intervalMs };
    const { isSeen, absences, readInMs } = decidePoll(this.#memory, polled, about);
    this.#memory = { ...this.#memory, isSeen, absences };
    const now = clock.monotonic();
    if (now >= this.#fullReadAt || readInMs === 0) return true;
    // A read that is due already covers what came after it as well.
    if (readInMs !== undefined) this.#readAt = Math.min(this.#readAt, now + readInMs);
    return false;
  }

  async #poll(stop: AbortSignal): Promise<PolledRevisions> {
    const { source, host } = this.#options;
    const names = [`${host.paths.fleet}/revision`, `${host.paths.host}/revision`] as const;
    const { parameters } = await source.readNames(names, stop);
    this.#log.answered();
    const [fleet, own] = names.map((name) => parameters.find((one) => one.name === name));
    return {
      fleetVersion: fleet?.version,
      spreadMs: fleet === undefined ? undefined : parseRevision(fleet.value).spreadMs,
      hostVersion: own?.version,
    };
  }

  async #readAll(stop: AbortSignal, isWish: boolean): Promise<void> {
    const { source, host, clock, random } = this.#options;
    this.#reading ??= { pages: new FullReading(source, host.paths), polled: this.#polled };
    const { pages, polled } = this.#reading;
    const read = await pages.read(stop);
    this.#reading = undefined;
    this.#log.answered();
    const now = clock.now();
    if (!read.isSettled && !isWish) {
      this.#readAt = clock.monotonic() + CHANGE_SETTLE_MS;
      this.#options.logger.log("config.unsettled", { configHash: this.#effective?.hash });
      return;
    }
    this.#readAt = Number.POSITIVE_INFINITY;
    this.#fullReadAt = clock.monotonic() + fullReadInMs(random);
    this.#memory = {
      isSeen: this.#memory.isSeen || hasRevision(read, host.paths),
      absences: this.#memory.absences,
      fleetVersion: polled?.fleetVersion,
      hostVersion: polled?.hostVersion,
      fullReadAt: now,
    };
    const { resolve = resolveParameters } = this.#options;
    await this.#take(read.set, resolve(read.set, host, now));
  }

  async #take(set: ParameterSet, resolved: Resolved): Promise<void> {
    const { host, onDesired } = this.#options;
    this.#desiredHash = resolved.hash;
    if (set.fleet.length === 0) {
      this.#desired = undefined;
      this.refused(
        `There are no parameters below ${host.paths.fleet}/.`,
        `Check \`fleet\` in the bootstrap file and the region, or make the fleet: aws ssm put-parameter --type String --name ${host.paths.fleet}/bucket --value BUCKET`,
      );
      return;
    }
    if (!("config" in resolved)) {
      // What was read before is not what is wished for any longer, either.
      this.#desired = undefined;
      const hint =
        "Put a right value with `aws ssm put-parameter --overwrite`, or roll back; the README lists every parameter.";
      this.refused(refusalText(resolved.problems), hint);
      return;
    }
    const { config } = resolved;
    if (config.hash === this.#effective?.hash) {
      // A change that was taken back before it took effect is none.
      this.#desired = undefined;
      this.#log.accepted();
      this.#effective = config;
      if (this.#isWorthKeeping()) {
        await this.#keep({ set, readAt: config.readAt, memory: this.#memory });
      }
      return;
    }
    this.#desired = { config, set, memory: this.#memory };
    onDesired();
  }

  /** Whether the next run would do anything else if it knew what is known now. */
  #isWorthKeeping(): boolean {
    const before = this.#kept?.memory;
    return (
      before === undefined ||
      before.isSeen !== this.#memory.isSeen ||
      before.fleetVersion !== this.#memory.fleetVersion ||
      before.hostVersion !== this.#memory.hostVersion ||
      // Where every poll is a full read anyway, nobody asks when the last one was.
      this.#memory.isSeen
    );
  }

  async #keep(good: LastKnownGood): Promise<void> {
    this.#kept = good;
    await this.#options.keep(good);
  }
}
