import { inspect } from "node:util";
import { expect } from "chai";
import { type Credentials, makeCredentials } from "../../src/aws/credentials/credentials.ts";
import { CredentialsError } from "../../src/aws/errors.ts";
import { parseCredentialChoice } from "../../src/config/credential-choice.ts";
import { SECRET_MARK } from "../../tools/marks.ts";
import type { FakeKey } from "./fake-credential-services.ts";
import { ManualClock } from "./manual-clock.ts";
import { withEnvironment } from "./s3-store.ts";

/** Part of every secret of these tests, and of nothing else. */
export const SECRET = SECRET_MARK;

export const ROLE_ARN = "arn:aws:iam::123456789012:role/offload";

export const MINUTE_MS = 60_000;

/** A clock that moves as soon as somebody sleeps by it. */
export class HastyClock extends ManualClock {
  override async sleep(ms: number): Promise<void> {
    await this.advance(ms);
  }
}

/** A key that lives for an hour of this clock, unless told otherwise. */
export function keyOf(accessKeyId: string, clock: ManualClock, lifeMs = 60 * MINUTE_MS): FakeKey {
  return {
    accessKeyId,
    secretAccessKey: `${SECRET}-key`,
    sessionToken: `${SECRET}-token`,
    expiresAt: clock.now() + lifeMs,
  };
}

/** The text of a shared credentials file. */
export function profileText(name: string, accessKeyId: string): string {
  return `[${name}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${SECRET}-key\naws_session_token = ${SECRET}-token\n`;
}

/**
 * The agent's credentials on a host that has none: nothing of the machine's own is seen.
 * @param choice as in the bootstrap file
 */
export function credentialsOf(
  choice: string,
  options: {
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly clock?: ManualClock;
    readonly roleArn?: string;
    readonly hostId?: string;
    readonly allowImdsV1?: boolean;
  } = {},
): Credentials {
  const {
    env = {},
    clock = new HastyClock(),
    roleArn,
    hostId = "host-1",
    allowImdsV1 = false,
  } = options;
  return makeCredentials({
    choice: parseCredentialChoice(choice),
    roleArn,
    hostId,
    region: "eu-central-1",
    env: { HOME: "/nonexistent", AWS_EC2_METADATA_DISABLED: "true", ...env },
    allowImdsV1,
    clock,
  });
}

/** Runs `work` while the SDK's STS client finds this endpoint. */
export async function withSts<T>(endpoint: string, work: () => Promise<T>): Promise<T> {
  const values = {
    AWS_ENDPOINT_URL_STS: endpoint,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_PROFILE: undefined,
  };
  return await withEnvironment(values, work);
}

/** The access key id that the next request would be signed with. */
export async function accessKeyIdOf({ provider }: Credentials): Promise<string> {
  return (await provider()).accessKeyId;
}

/**
 * Why there are no credentials. Whatever is told, then or later, holds no secret, however deep one
 * looks into it.
 */
export async function refusalOf(credentials: Credentials): Promise<CredentialsError> {
  const error = await credentials.provider().then(
    () => expect.fail("there are credentials"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CredentialsError)) throw error;
  expect(error.exitCode).to.equal(3);
  expect(error.hint).not.to.equal("");
  expectNoSecret(error);
  expectNoSecret(credentials.lastError());
  expectNoSecret(credentials.describe());
  return error;
}

export function expectNoSecret(told: unknown): void {
  expect(inspect(told, { depth: null, showHidden: true })).not.to.include(SECRET);
}
