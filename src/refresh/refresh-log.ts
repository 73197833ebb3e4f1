import type { Clock } from "../lib/clock.ts";
import { AgentError, messageOf } from "../lib/errors.ts";
import type { Logger } from "../logs/logger.ts";

/** How the reading of parameters is. Times are wall-clock milliseconds. */
export interface Unreachable {
  readonly message: string;
  readonly since: number;
}

/** How things stand, for records, heartbeats and `status`. Times are wall-clock milliseconds. */
export interface RefreshReport {
  /** Of what the parameters say now, good or not; undefined: they were not read yet. */
  readonly desiredHash: string | undefined;
  /** Of what the agent works by. */
  readonly effectiveHash: string | undefined;
  /** Why the desired configuration is not in effect, although it was read. */
  readonly refusal: string | undefined;
  /** Why the parameters cannot be read at present. */
  readonly unreachable: Unreachable | undefined;
  /** When the Parameter Store answered last. */
  readonly answeredAt: number | undefined;
  readonly nextPollAt: number | undefined;
}

/** Tells of what goes wrong with a refresh, once each time that it begins, and remembers it. */
export class RefreshLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #refusal: string | undefined;
  #unreachable: Unreachable | undefined;
  #answeredAt: number | undefined;

  constructor({ logger, clock }: { readonly logger: Logger; readonly clock: Clock }) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Why the desired configuration is not in effect, although it was read. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Why the parameters cannot be read at present. */
  get unreachable(): Unreachable | undefined {
    return this.#unreachable;
  }

  /** When the Parameter Store answered last. */
  get answeredAt(): number | undefined {
    return this.#answeredAt;
  }

  /** Says why a configuration is not put into effect, once for each reason. */
  refused(
    reason: string,
    about: {
      readonly hint: string | undefined;
      readonly configHash: string | undefined;
      readonly desiredHash: string | undefined;
    },
  ): void {
    if (reason === this.#refusal) return;
    this.#refusal = reason;
    this.#logger.log("config.refused", { message: reason, ...about });
  }

  /** Nothing is refused any longer. */
  accepted(): void {
    this.#refusal = undefined;
  }

  /** The Parameter Store has answered. */
  answered(): void {
    const now = this.#clock.now();
    this.#answeredAt = now;
    if (this.#unreachable === undefined) return;
    const afterSeconds = Math.round((now - this.#unreachable.since) / 1_000);
    this.#unreachable = undefined;
    this.#logger.log("config.reachable", { afterSeconds });
  }

  /** The Parameter Store has not answered, or has refused. */
  failed(error: unknown, configHash: string | undefined): void {
    const message = messageOf(error);
    const isNews = this.#unreachable === undefined;
    this.#unreachable = { message, since: this.#unreachable?.since ?? this.#clock.now() };
    if (!isNews) return;
    const hint = error instanceof AgentError ? error.hint : undefined;
    this.#logger.log("config.unreachable", { message, hint, configHash });
  }
}
