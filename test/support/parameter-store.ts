import type { Parameter, ParameterPage, ParameterSource } from "../../src/config/parameters.ts";
import type { Clock } from "../../src/lib/clock.ts";
import { ServiceError } from "../../src/lib/errors.ts";

/** GetParametersByPath gives at most so many a page, GetParameters takes at most so many names. */
const PARAMETERS_MAX = 10;

/** A call that the store has had. */
export type Call =
  | {
      readonly kind: "page";
      readonly path: string;
      readonly token: string | undefined;
      readonly at: number;
    }
  | { readonly kind: "names"; readonly names: readonly string[]; readonly at: number };

/** A Parameter Store in memory, with its limits: pages of ten, versions, times of its own clock. */
export class ParameterStore implements ParameterSource {
  readonly calls: Call[] = [];
  readonly #clock: Clock;
  readonly #parameters = new Map<string, Parameter>();
  /** Called before each answer; what it throws is the answer. */
  onCall: (call: Call) => void = () => {};
  /** How far the service's clock is ahead of the host's, in milliseconds. */
  aheadMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Writes a parameter, as PutParameter with overwrite. */
  put(name: string, value: string, type = "String"): void {
    const version = (this.#parameters.get(name)?.version ?? 0) + 1;
    this.#parameters.set(name, { name, type, value, version, lastModifiedAt: this.#now() });
  }

  remove(name: string): void {
    this.#parameters.delete(name);
  }

  /** How many calls of a kind there were. */
  count(kind: Call["kind"]): number {
    return this.calls.filter((call) => call.kind === kind).length;
  }

  async readPage(path: string, token: string | undefined): Promise<ParameterPage> {
    this.#begin({ kind: "page", path, token, at: this.#clock.now() });
    const all = [...this.#parameters.values()]
      .filter(({ name }) => name.startsWith(`${path}/`))
      .sort((one, other) => (one.name < other.name ? -1 : 1));
    const start = Number(token ?? 0);
    const end = start + PARAMETERS_MAX;
    return {
      parameters: all.slice(start, end),
      nextToken: end < all.length ? String(end) : undefined,
      answeredAt: this.#date(),
    };
  }

  async readNames(names: readonly string[]) {
    this.#begin({ kind: "names", names, at: this.#clock.now() });
    if (names.length > PARAMETERS_MAX) throw refusal("ValidationException");
    return {
      parameters: names.flatMap((name) => this.#parameters.get(name) ?? []),
      answeredAt: this.#date(),
    };
  }

  #begin(call: Call): void {
    this.calls.push(call);
    this.onCall(call);
  }

  #now(): number {
    return this.#clock.now() + this.aheadMs;
  }

  /** The header has whole seconds. */
  #date(): number {
    return Math.floor(this.#now() / 1_000) * 1_000;
  }
}

/** What a service says when it does not answer; passing, unless it is told otherwise. */
export function refusal(
  code: string,
  { isPassing = true, retryAfterMs }: { isPassing?: boolean; retryAfterMs?: number } = {},
): ServiceError {
  const hint = "Try again later.";
  return new ServiceError(`Cannot read: ${code}.`, { code, isPassing, retryAfterMs, hint });
}
