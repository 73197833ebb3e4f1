import { type AwsClients, makeClients } from "../aws/clients.ts";
import type { CredentialsDescription } from "../aws/credentials/credentials.ts";
import type { AwsFailure } from "../aws/errors.ts";
import { type Caller, makeProbes, type Probes, probeFailure } from "../aws/probes.ts";
import { makeS3Store } from "../aws/s3.ts";
import { makeParameterSource } from "../aws/ssm.ts";
import type { Bootstrap } from "../config/bootstrap.ts";
import { type Config, type Host, type Resolved, resolveParameters } from "../config/config.ts";
import {
  type ParameterPaths,
  type ParameterSet,
  type ParameterSource,
  parameterPaths,
} from "../config/parameters.ts";
import type { Random } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { LastKnownGoodFile } from "../refresh/last-known-good.ts";
import { readParametersNow } from "../refresh/read-now.ts";
import type { Destination, ObjectStore, PutAnswer } from "../sweep/object-store.ts";

/** What a service said to one question. */
export type Probed<T> =
  | { readonly kind: "answered"; readonly answer: T }
  | { readonly kind: "failed"; readonly failure: AwsFailure };

export type { AwsFailure, Caller, CredentialsDescription };

export interface ExaminationOptions {
  readonly bootstrap: Bootstrap;
  /** Absolute. */
  readonly stateDirectory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly stop: AbortSignal;
}

/** No single question is waited for longer. */
const QUESTION_MS_MAX = 12_000;
/** All parameters, a few pages of them. */
const PARAMETERS_MS_MAX = 20_000;

/** Services refuse what was signed with a time that is wrong by more than five minutes. */
const SKEW_MS_MIN = 4 * 60_000;

/** `Date` has no fractions of a second: on the average the answer is so much younger. */
const DATE_ERROR_MS = 500;

/**
 * What `doctor` asks the services, with the agent's own clients and credentials. Each question is
 * bounded in time and changes nothing, but for `createStream` and `put`.
 */
export class Examination implements Disposable {
  readonly paths: ParameterPaths;
  readonly #options: ExaminationOptions;
  readonly #clients: AwsClients;
  readonly #probes: Probes;
  readonly #source: ParameterSource;
  readonly #store: ObjectStore;
  #offsetMs: number | undefined;

  /** @throws AgentError (exit code 2) if no region is to be found */
  static async start(options: ExaminationOptions): Promise<Examination> {
    const { credentials: choice, ...bootstrap } = options.bootstrap;
    const { env, clock } = options;
    return new Examination(options, await makeClients({ ...bootstrap, choice, env, clock }));
  }

  private constructor(options: ExaminationOptions, clients: AwsClients) {
    const { bootstrap, clock } = options;
    this.paths = parameterPaths(bootstrap);
    this.#options = options;
    this.#clients = clients;
    this.#source = makeParameterSource(clients.ssm, clock);
    this.#store = makeS3Store(clients.s3);
    this.#probes = makeProbes(clients, (ms) => {
      this.#offsetMs = ms + DATE_ERROR_MS - clock.now();
    });
  }

  /** How far the host's clock is behind that of the services, in milliseconds; undefined: none answered yet. */
  get clockOffsetMs(): number | undefined {
    return this.#offsetMs;
  }

  region(): Promise<string> {
    return this.#probes.region();
  }

  /** Reads the credentials. @throws AgentError (exit code 3) */
  async credentials(): Promise<CredentialsDescription | undefined> {
    const { credentials } = this.#clients;
    await credentials.provider();
    return credentials.describe();
  }

  caller(): Promise<Probed<Caller>> {
    return this.#ask((signal) => this.#probes.caller(signal));
  }

  /** @param names whole names of parameters, at most 10, which need not exist */
  readNames(names: readonly string[]): Promise<Probed<unknown>> {
    return this.#ask((signal) => this.#source.readNames(names, signal));
  }

  /** Reads a page of what is below a path. */
  readPage(path: string): Promise<Probed<unknown>> {
    return this.#ask((signal) => this.#source.readPage(path, undefined, signal));
  }

  /** Reads everything that the Parameter Store holds for this host. */
  readParameters(): Promise<Probed<ParameterSet>> {
    const { clock, random } = this.#options;
    const read = (signal: AbortSignal) =>
      readParametersNow(this.#source, this.paths, { clock, random, signal });
    return this.#ask(read, PARAMETERS_MS_MAX);
  }

  /** What this host makes of parameters. @param readAt wall-clock milliseconds */
  resolve(set: ParameterSet, readAt: number): Resolved {
    const { hostId, allowedBuckets, allowOverwrite, minAgeFloorMs } = this.#options.bootstrap;
    const host: Host = { hostId, paths: this.paths, allowedBuckets, allowOverwrite, minAgeFloorMs };
    return resolveParameters(set, host, readAt);
  }

  /** The last good configuration that a daemon has kept, if there is one that can be read. */
  async lastConfig(): Promise<Config | undefined> {
    const { bootstrap, stateDirectory } = this.#options;
    const owner = { ...this.paths, region: bootstrap.region ?? "" };
    const good = await new LastKnownGoodFile(stateDirectory, owner).peek();
    if (good === undefined) return undefined;
    const resolved = this.resolve(good.set, good.readAt);
    return "config" in resolved ? resolved.config : undefined;
  }

  /** Makes this host's stream in a log group, unless it is there. */
  createStream(group: string): Promise<Probed<void>> {
    const { hostId } = this.#options.bootstrap;
    return this.#ask((signal) => this.#probes.createStream(group, hostId, signal));
  }

  /** Puts an event into this host's stream that is too old to be kept. */
  putNothing(group: string): Promise<Probed<void>> {
    const { hostId } = this.#options.bootstrap;
    return this.#ask((signal) => this.#probes.putNothing(group, hostId, signal));
  }

  bucketUrl(bucket: string): Promise<URL> {
    return this.#probes.bucketUrl(bucket);
  }

  /** Puts an object as a sweep does, unless the key is taken. @param sha256 of the body, in hexadecimal */
  async put(
    destination: Destination,
    object: { readonly key: string; readonly body: Buffer; readonly sha256: string },
  ): Promise<PutAnswer> {
    const { body, key, sha256 } = object;
    const put = (signal: AbortSignal) => {
      const bytes = body.length;
      return this.#store.put({
        destination,
        key,
        sha256,
        body,
        bytes,
        mayOverwrite: false,
        signal,
      });
    };
    let probed = await this.#ask(put);
    // A refusal is an answer here: the next try is signed with the service's time.
    if (this.#isSkewed && probed.kind === "answered" && probed.answer.kind === "failed") {
      probed = await this.#ask(put);
    }
    if (probed.kind === "answered") return probed.answer;
    const { code, message } = probed.failure;
    const failure = {
      kind: "transient",
      code,
      message,
      isRetryable: true,
      scope: "service",
    } as const;
    return { kind: "failed", failure };
  }

  [Symbol.dispose](): void {
    this.#probes.destroy();
    this.#clients.destroy();
  }

  /**
   * Asks once; and once more if the host's clock is wrong, since the clients sign with the
   * service's time from then on.
   * @throws the reason of `stop`
   */
  async #ask<T>(
    question: (signal: AbortSignal) => Promise<T>,
    timeMs = QUESTION_MS_MAX,
  ): Promise<Probed<T>> {
    const first = await this.#askOnce(question, timeMs);
    const isToRepeat = first.kind === "failed" && this.#isSkewed;
    return isToRepeat ? await this.#askOnce(question, timeMs) : first;
  }

  get #isSkewed(): boolean {
    return Math.abs(this.#offsetMs ?? 0) >= SKEW_MS_MIN;
  }

  async #askOnce<T>(
    question: (signal: AbortSignal) => Promise<T>,
    timeMs: number,
  ): Promise<Probed<T>> {
    const { stop } = this.#options;
    const late = AbortSignal.timeout(timeMs);
    try {
      return { kind: "answered", answer: await question(AbortSignal.any([stop, late])) };
    } catch (error) {
      stop.throwIfAborted();
      if (!late.aborted) return { kind: "failed", failure: probeFailure(error) };
      const message = `there was no answer within ${timeMs / 1_000} seconds`;
      return { kind: "failed", failure: { kind: "transient", code: "TimeoutError", message } };
    }
  }
}
