import type { Parameter, ParameterPage } from "../../src/config/parameters.ts";
import { DOWN, THROTTLED, WrongRequest } from "./model-failure.ts";
import { RateMeter } from "./rate-meter.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Requests a second. */
export interface Throughput {
  readonly getParameters: number;
  /** Undefined: shared with `getParameters`. */
  readonly getParametersByPath: number | undefined;
  readonly putParameter: number;
}

// https://docs.aws.amazon.com/general/latest/gr/ssm.html#limits_ssm
/** What an account has by default: all Gets share it. */
export const DEFAULT_THROUGHPUT: Throughput = {
  getParameters: 40,
  getParametersByPath: undefined,
  putParameter: 3,
};
/** With the account's setting "higher throughput". */
export const HIGHER_THROUGHPUT: Throughput = {
  getParameters: 1_000,
  getParametersByPath: 100,
  putParameter: 10,
};

// API reference of GetParameters and GetParametersByPath.
const NAMES_MAX = 10;
const PAGE_MAX = 10;
const VALUE_BYTES_MAX = 4_096;

type Answer = Omit<ParameterPage, "nextToken">;

/**
 * The Parameter Store, as far as the agent sees it: it throttles at its limits, pages, answers with
 * its own time, and can be out of reach. Calls answer at once; `linkTo` adds the way there.
 */
export class ParameterStoreModel {
  /** Every Get that came, answered or not. */
  readonly gets: RateMeter;
  readonly throttledGets: RateMeter;
  readonly failedGets: RateMeter;
  /** Requests that the service would refuse as wrong; the agent must never send one. */
  readonly wrongRequests: string[] = [];
  readonly #time: VirtualTime;
  readonly #parameters = new Map<string, Parameter>();
  /** The names below each path, in order. */
  readonly #names = new Map<string, string[]>();
  readonly #getBucket: TokenBucket;
  readonly #byPathBucket: TokenBucket;
  readonly #putBucket: TokenBucket;
  #isDown = false;

  constructor(time: VirtualTime, throughput: Throughput) {
    this.#time = time;
    const now = time.now();
    this.gets = new RateMeter(now);
    this.throttledGets = new RateMeter(now);
    this.failedGets = new RateMeter(now);
    this.#getBucket = new TokenBucket(throughput.getParameters, now);
    this.#byPathBucket =
      throughput.getParametersByPath === undefined
        ? this.#getBucket
        : new TokenBucket(throughput.getParametersByPath, now);
    this.#putBucket = new TokenBucket(throughput.putParameter, now);
  }

  /** While it is down, every call fails at once with a 503, which is the hardest for a fleet to bear. */
  setDown(isDown: boolean): void {
    this.#isDown = isDown;
  }

  /** GetParametersByPath, recursive. @throws ServiceError, throttled or out of reach */
  readPage(path: string, token: string | undefined): ParameterPage {
    this.#admitGet(this.#byPathBucket);
    const names = this.#names.get(path) ?? [];
    const [, offset = "0", of = path] = /^(\d+):(.*)$/.exec(token ?? "") ?? [];
    if (of !== path) this.#refuse(`the token ${token} is not one of ${path}`);
    const end = Number(offset) + PAGE_MAX;
    return {
      ...this.#answer(names.slice(Number(offset), end)),
      nextToken: end < names.length ? `${end}:${path}` : undefined,
    };
  }

  /** GetParameters: those that exist, by name. @throws ServiceError */
  readNames(names: readonly string[]): Answer {
    this.#admitGet(this.#getBucket);
    const isWrong = names.length === 0 || names.length > NAMES_MAX;
    if (isWrong || new Set(names).size < names.length) {
      this.#refuse(`GetParameters takes 1 to ${NAMES_MAX} different names`);
    }
    return this.#answer(names.filter((name) => this.#parameters.has(name)).toSorted());
  }

  /** PutParameter with overwrite. @throws ServiceError */
  put(name: string, value: string): void {
    this.#admitChange();
    this.set(name, value);
  }

  /** DeleteParameter. @throws ServiceError */
  delete(name: string): void {
    this.#admitChange();
    this.#parameters.delete(name);
    for (const path of ancestorsOf(name)) {
      const names = this.#names.get(path)?.filter((other) => other !== name) ?? [];
      this.#names.set(path, names);
    }
  }

  /** What was put long ago: beside the limits. */
  set(name: string, value: string): void {
    const isWrong = value === "" || Buffer.byteLength(value) > VALUE_BYTES_MAX;
    if (isWrong) this.#refuse(`a value has 1 to ${VALUE_BYTES_MAX} bytes`);
    const version = (this.#parameters.get(name)?.version ?? 0) + 1;
    const lastModifiedAt = this.#time.now();
    this.#parameters.set(name, { name, type: "String", value, version, lastModifiedAt });
    if (version > 1) return;
    for (const path of ancestorsOf(name)) {
      this.#names.set(path, [...(this.#names.get(path) ?? []), name].toSorted());
    }
  }

  /** Beside the limits. */
  everythingBelow(path: string): readonly Parameter[] {
    return this.#answer(this.#names.get(path) ?? []).parameters;
  }

  #answer(names: readonly string[]): Answer {
    const parameters = names.flatMap((name) => this.#parameters.get(name) ?? []);
    return { parameters, answeredAt: Math.floor(this.#time.now() / 1_000) * 1_000 };
  }

  #admitGet(bucket: TokenBucket): void {
    const now = this.#time.now();
    this.gets.count(now);
    if (this.#isDown) {
      this.failedGets.count(now);
      throw DOWN;
    }
    if (bucket.take(now)) return;
    this.throttledGets.count(now);
    throw THROTTLED;
  }

  #refuse(why: string): never {
    this.wrongRequests.push(why);
    throw new WrongRequest(why);
  }

  #admitChange(): void {
    if (this.#isDown) throw DOWN;
    if (!this.#putBucket.take(this.#time.now())) throw THROTTLED;
  }
}

/** `/a/b/c` lies below `/a/b` and `/a`. */
function ancestorsOf(name: string): string[] {
  const parts = name.split("/");
  return parts.slice(2).map((_, index) => parts.slice(0, index + 2).join("/"));
}
