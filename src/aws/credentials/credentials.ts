import type { AwsCredentialIdentity, AwsCredentialIdentityProvider } from "@smithy/types";
import type { CredentialChoice } from "../../config/credential-choice.ts";
import type { Clock } from "../../lib/clock.ts";
import { CredentialsError } from "../errors.ts";
import { type Life, type Stage, SYNTHETIC_LIFE_MS, stageOf } from "./life.ts";
import type { Environment, ReadCredentials, Reading } from "./source.ts";
import { makeSource, withRole } from "./sources.ts";
import { makeSts } from "./sts.ts";

/** What is told of credentials; nothing of it is secret. */
export interface CredentialsDescription {
  /** Such as "instance profile web-role". */
  readonly source: string;
  /** Milliseconds since 1970; undefined: their source names no end. */
  readonly expiresAt: number | undefined;
  /** The last four characters of the access key id. */
  readonly accessKeyId: string;
}

/** The agent's credentials, which all clients share. */
export interface Credentials {
  /**
   * For the SDK's clients, which are told that it remembers by itself. With `forceRefresh` as
   * `renew`. @throws CredentialsError
   */
  readonly provider: AwsCredentialIdentityProvider;
  /**
   * A service says that these have ended: others are read. It never throws; that there are none
   * shows at the next request.
   * @param refused what the request was signed with; if that has been replaced meanwhile, nothing
   *   is read
   */
  renew(refused: AwsCredentialIdentity): Promise<void>;
  /**
   * Tries the renewal that the next request would try, if one is due by now; those that nobody has
   * needed yet are not read. It never throws: see `lastError`.
   */
  renewIfDue(): Promise<void>;
  /** The credentials in use; undefined: none were read yet. */
  describe(): CredentialsDescription | undefined;
  /** Why the last read failed; undefined: it did not. Those from before may be in use still. */
  lastError(): CredentialsError | undefined;
  destroy(): void;
}

export interface CredentialsOptions {
  readonly choice: CredentialChoice;
  /** Role to assume with the host's own credentials; undefined: use those as they are. */
  readonly roleArn: string | undefined;
  /** Sessions of assumed roles are named after it. */
  readonly hostId: string;
  /** Undefined: as the SDK finds it. */
  readonly region: string | undefined;
  readonly env: Environment;
  readonly allowImdsV1: boolean;
  readonly clock: Clock;
}

/** Makes the agent's credentials. Nothing is read until somebody needs them. */
export function makeCredentials(options: CredentialsOptions): Credentials {
  const { choice, roleArn, clock } = options;
  const sts = makeSts(options);
  const source = makeSource(choice, { ...options, sts });
  const read = roleArn === undefined ? source : withRole(source, roleArn, sts);
  const renewing = new RenewingCredentials(read, clock);
  const provide: AwsCredentialIdentityProvider = async (request) => {
    if (request?.["forceRefresh"] === true) await renewing.renew(undefined);
    return await renewing.provide();
  };
  return {
    // The SDK would memoize what it gets a second time, and for ever if it has no expiration.
    provider: Object.assign(provide, { memoized: true, configBound: true }),
    renew: (refused) => renewing.renew(refused),
    renewIfDue: () => renewing.renewIfDue(),
    describe: () => renewing.describe(),
    lastError: () => renewing.lastError,
    destroy: () => sts.destroy(),
  };
}

/** After a read that failed, the next one waits; the range doubles from the first to the last. */
const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 60_000;

/** A service that refuses the same credentials again has us look for others this often. */
const SAME_AGAIN_MS = 5_000;

interface Held {
  readonly reading: Reading;
  readonly life: Life;
  readonly identity: AwsCredentialIdentity;
}

/**
 * Holds credentials and reads others in time.
 *
 * - One read at a time; whoever needs it waits for the same one.
 * - Well before the end a read goes on beside the work, just before it the work waits for it.
 * - A read that fails changes nothing while those from before are good; then its error is thrown.
 *   Reads that fail are spaced out, so that a thousand files do not ask a thousand times.
 * - Those that a service refused are not used again, unless the source gives them again.
 */
class RenewingCredentials {
  readonly #read: ReadCredentials;
  readonly #clock: Clock;
  #held: Held | undefined;
  #isRefused = false;
  #pending: Promise<void> | undefined;
  #failures = 0;
  /** On the clock since boot: no read before this. */
  #nextReadAt = Number.NEGATIVE_INFINITY;
  lastError: CredentialsError | undefined;

  constructor(read: ReadCredentials, clock: Clock) {
    this.#read = read;
    this.#clock = clock;
  }

  async provide(): Promise<AwsCredentialIdentity> {
    const stage = this.#isRefused ? "over" : this.#stage();
    if (stage === "over") await this.#readOnce();
    else if (stage === "due") await this.#readOnce().catch(() => undefined);
    // Its error is kept for `lastError`.
    else if (stage === "refresh") void this.#readOnce().catch(() => undefined);
    if (this.#held === undefined) throw new Error("a read that succeeds leaves credentials");
    return this.#held.identity;
  }

  /** @param refused undefined: those in use */
  async renew(refused: AwsCredentialIdentity | undefined): Promise<void> {
    const held = this.#held?.identity;
    if (held === undefined || (refused !== undefined && !isSame(refused, held))) return;
    const isToWait = this.lastError === undefined && this.#clock.boottime() < this.#nextReadAt;
    if (isToWait) return;
    this.#isRefused = true;
    await this.#readOnce().catch(() => undefined);
  }

  async renewIfDue(): Promise<void> {
    const isWanted = this.#held !== undefined || this.lastError !== undefined;
    if (!isWanted || (this.#stage() === "fresh" && !this.#isRefused)) return;
    await this.#readOnce().catch(() => undefined);
  }

  describe(): CredentialsDescription | undefined {
    if (this.#held === undefined) return undefined;
    const { source, expiresAt, identity } = this.#held.reading;
    return {
      source,
      expiresAt: expiresAt === "unknown" ? undefined : expiresAt,
      accessKeyId: identity.accessKeyId.slice(-4),
    };
  }

  #stage(): Stage {
    return this.#held === undefined ? "over" : stageOf(this.#held.life, this.#clock);
  }

  async #readOnce(): Promise<void> {
    this.#pending ??= this.#replace().finally(() => {
      this.#pending = undefined;
    });
    await this.#pending;
  }

  async #replace(): Promise<void> {
    const boot = this.#clock.boottime();
    if (this.lastError !== undefined && boot < this.#nextReadAt) throw this.lastError;
    try {
      this.#hold(await this.#read({ isRenewal: this.#stage() !== "over" }));
    } catch (error) {
      this.#failures += 1;
      const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** (this.#failures - 1));
      this.#nextReadAt = this.#clock.boottime() + pauseMs;
      this.lastError = error instanceof CredentialsError ? error : unexpected(error);
      throw this.lastError;
    }
  }

  #hold(reading: Reading): void {
    const boot = this.#clock.boottime();
    const old = this.#held?.identity;
    const isSameAgain = this.#isRefused && old !== undefined && isSame(old, reading.identity);
    this.#held = heldOf(reading, { wall: this.#clock.now(), boot });
    this.#nextReadAt = isSameAgain ? boot + SAME_AGAIN_MS : boot;
    this.#isRefused = false;
    this.#failures = 0;
    this.lastError = undefined;
  }
}

function isSame(one: AwsCredentialIdentity, other: AwsCredentialIdentity): boolean {
  return one.accessKeyId === other.accessKeyId && one.sessionToken === other.sessionToken;
}

function heldOf(reading: Reading, now: { readonly wall: number; readonly boot: number }): Held {
  const { identity, expiresAt } = reading;
  if (expiresAt === undefined) return { reading, identity, life: { kind: "endless" } };
  const [life, end]: [Life, number] =
    expiresAt === "unknown"
      ? [{ kind: "synthetic", readAt: now.boot }, now.wall + SYNTHETIC_LIFE_MS]
      : [{ kind: "until", readAt: now.wall, expiresAt }, expiresAt];
  return { reading, life, identity: { ...identity, expiration: new Date(end) } };
}

/** A bug, or an error of Node that no source expects: its text could hold anything. */
function unexpected(error: unknown): CredentialsError {
  const name = error instanceof Error ? error.name : typeof error;
  return new CredentialsError(
    `The credentials could not be read: ${name}.`,
    "Choose a source by `credentials` in the bootstrap file.",
  );
}
