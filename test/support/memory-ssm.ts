import type { FleetAccess } from "../../src/agent/fleet-access.ts";
import type { Parameter, ParameterSource } from "../../src/config/parameters.ts";
import type { LiveHost } from "../../src/fleet/live-hosts.ts";
import type {
  ParameterHistory,
  ParameterVersion,
  ParameterWriter,
} from "../../src/fleet/parameter-store.ts";
import type { Clock } from "../../src/lib/clock.ts";
import { ServiceError } from "../../src/lib/errors.ts";

// Limits of the real service. Source: SSM API reference; PutParameter's rate as AWS support gave it.
const PAGE_MAX = 10;
const HISTORY_PAGE_MAX = 50;
const VERSIONS_MAX = 100;
const VALUE_BYTES_MAX = 4_096;
const PUTS_PER_SECOND = 3;

/** A clock whose sleeps are over at once, and have taken their time nevertheless. */
export class SkippingClock implements Clock {
  #elapsed = 0;

  now(): number {
    return Date.UTC(2026, 0, 1) + this.#elapsed;
  }
  monotonic(): number {
    return this.#elapsed;
  }
  boottime(): number {
    return this.#elapsed + 3_600_000;
  }
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#elapsed += Math.max(0, ms);
  }
}

/** What a test lets happen at a request that writes; it may throw. */
export type OnWrite = (about: {
  /** Counts the writing requests, from 1. */
  readonly nth: number;
  readonly names: readonly string[];
}) => void;

/** A Parameter Store in memory that keeps versions and refuses what the real one refuses. */
export class MemorySsm implements ParameterSource, ParameterWriter, ParameterHistory {
  readonly clock: Clock;
  /** The ARN of whoever writes next. */
  user = "arn:aws:iam::111122223333:user/alice";
  /** Called before a write, and after it. */
  beforeWrite: OnWrite = () => {};
  afterWrite: OnWrite = () => {};
  /** The names of all that was written or removed, in order. */
  readonly writes: string[] = [];
  /** Actions that the credentials do not allow. */
  readonly denied = new Set<string>();
  throttled = 0;
  #requests = 0;
  #puts: number[] = [];
  readonly #parameters = new Map<string, { type: string; versions: ParameterVersion[] }>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Sets a parameter as a person does by hand. */
  set(name: string, value: string, type = "String"): void {
    const found = this.#parameters.get(name) ?? { type, versions: [] };
    found.versions.push({
      version: (found.versions.at(-1)?.version ?? 0) + 1,
      value,
      lastModifiedAt: this.clock.now(),
      lastModifiedUser: this.user,
    });
    if (found.versions.length > VERSIONS_MAX) found.versions.shift();
    this.#parameters.set(name, found);
  }

  unset(name: string): void {
    this.#parameters.delete(name);
  }

  /** All values by name, without the revisions. */
  values(): Record<string, string> {
    const all = this.all().filter(({ name }) => !name.endsWith("/revision"));
    return Object.fromEntries(all.map(({ name, value }) => [name, value]));
  }

  all(): readonly Parameter[] {
    return [...this.#parameters]
      .map(([name, { type, versions }]) => {
        const { value = "", version = 0, lastModifiedAt = 0 } = versions.at(-1) ?? {};
        return { name, type, value, version, lastModifiedAt };
      })
      .sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  async readPage(path: string, token: string | undefined, signal: AbortSignal) {
    signal.throwIfAborted();
    this.#assertAllowed("ssm:GetParametersByPath");
    const all = this.all().filter(({ name }) => name.startsWith(`${path}/`));
    const start = Number(token ?? 0);
    const end = start + PAGE_MAX;
    return {
      parameters: all.slice(start, end),
      nextToken: end < all.length ? String(end) : undefined,
      answeredAt: this.clock.now(),
    };
  }

  async readNames(names: readonly string[], signal: AbortSignal) {
    signal.throwIfAborted();
    this.#assertAllowed("ssm:GetParameters");
    if (names.length > PAGE_MAX) throw refusal("ValidationException");
    const parameters = this.all().filter(({ name }) => names.includes(name));
    return { parameters, answeredAt: this.clock.now() };
  }

  async readVersions(name: string, token: string | undefined, signal: AbortSignal) {
    signal.throwIfAborted();
    this.#assertAllowed("ssm:GetParameterHistory");
    const start = Number(token ?? 0);
    const all = this.#parameters.get(name)?.versions ?? [];
    const end = start + HISTORY_PAGE_MAX;
    return {
      versions: all.slice(start, end),
      nextToken: end < all.length ? String(end) : undefined,
    };
  }

  async put(
    write: {
      readonly name: string;
      readonly type: string;
      readonly value: string;
      readonly isNew: boolean;
    },
    signal: AbortSignal,
  ) {
    signal.throwIfAborted();
    this.#assertAllowed("ssm:PutParameter");
    const { name, type, value, isNew } = write;
    this.#pass([name]);
    const found = this.#parameters.get(name);
    const isRight =
      value !== "" &&
      Buffer.byteLength(value) <= VALUE_BYTES_MAX &&
      !value.includes("{{") &&
      (found === undefined || found.type === type);
    if (!isRight) throw refusal("ValidationException");
    if (isNew && found !== undefined) return "exists" as const;
    this.#assertRate();
    this.set(name, value, type);
    this.#wrote([name]);
    return this.#parameters.get(name)?.versions.at(-1)?.version ?? 0;
  }

  async remove(names: readonly string[], signal: AbortSignal) {
    signal.throwIfAborted();
    this.#assertAllowed("ssm:DeleteParameters");
    if (names.length < 1 || names.length > PAGE_MAX) throw refusal("ValidationException");
    this.#pass(names);
    for (const name of names) this.unset(name);
    this.#wrote(names);
  }

  #pass(names: readonly string[]): void {
    this.#requests += 1;
    this.beforeWrite({ nth: this.#requests, names });
  }

  #wrote(names: readonly string[]): void {
    this.writes.push(...names);
    this.afterWrite({ nth: this.#requests, names });
  }

  #assertRate(): void {
    const now = this.clock.monotonic();
    this.#puts = this.#puts.filter((at) => at > now - 1_000);
    if (this.#puts.length >= PUTS_PER_SECOND) {
      this.throttled += 1;
      throw refusal("ThrottlingException", { isPassing: true });
    }
    this.#puts.push(now);
  }

  #assertAllowed(action: string): void {
    if (this.denied.has(action)) throw refusal("AccessDeniedException", { deniedAction: action });
  }
}

/** A refusal of the service. */
export function refusal(
  code: string,
  { isPassing = false, deniedAction }: { isPassing?: boolean; deniedAction?: string } = {},
): ServiceError {
  return new ServiceError(`Cannot do it: ${code}.`, {
    code,
    isPassing,
    retryAfterMs: undefined,
    deniedAction,
    hint: "Try again.",
  });
}

/** Reaches a Parameter Store in memory, and heartbeats that a test makes up. */
export function accessTo(ssm: MemorySsm, live: readonly LiveHost[] | undefined): FleetAccess {
  return {
    region: "eu-central-1",
    source: ssm,
    writer: ssm,
    history: ssm,
    heartbeats: live === undefined ? undefined : { liveHosts: async () => live },
    logs: {
      queries: { run: () => Promise.reject(new Error("no logs here")) },
      reader: { readPage: () => Promise.reject(new Error("no logs here")) },
      expected: () => Promise.reject(new Error("no inventory here")),
    },
    clock: ssm.clock,
    close() {},
  };
}
