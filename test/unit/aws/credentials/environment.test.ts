import { expect } from "chai";
import {
  credentialsOf,
  HastyClock,
  MINUTE_MS,
  refusalOf,
  SECRET,
} from "../../../support/credentials.ts";

const KEY = { AWS_ACCESS_KEY_ID: "AKIAENV1", AWS_SECRET_ACCESS_KEY: SECRET };

describe("credentials from the environment", () => {
  it("are those of the variables, and said to be", async () => {
    const credentials = credentialsOf("environment", {
      env: { ...KEY, AWS_SESSION_TOKEN: "t", AWS_ACCOUNT_ID: "1" },
    });
    expect(credentials.describe()).to.equal(undefined);
    expect(await credentials.provider()).to.deep.equal({
      accessKeyId: "AKIAENV1",
      secretAccessKey: SECRET,
      sessionToken: "t",
      accountId: "1",
    });
    expect(credentials.describe()).to.deep.equal({
      source: "environment",
      expiresAt: undefined,
      accessKeyId: "ENV1",
    });
  });

  it("end when AWS_CREDENTIAL_EXPIRATION says, and that is told", async () => {
    const clock = new HastyClock();
    const end = new Date(clock.now() + MINUTE_MS).toISOString();
    const env = { ...KEY, AWS_CREDENTIAL_EXPIRATION: end };
    const credentials = credentialsOf("environment", { env, clock });
    expect((await credentials.provider()).expiration?.toISOString()).to.equal(end);
    await clock.advance(MINUTE_MS);
    expect((await refusalOf(credentials)).message).to.include(`ended at ${end}`);
  });

  const INCOMPLETE: readonly (readonly [env: Record<string, string>, says: string])[] = [
    [{}, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"],
    [{ AWS_ACCESS_KEY_ID: "AKIA" }, "AWS_SECRET_ACCESS_KEY is not set"],
    [{ AWS_SECRET_ACCESS_KEY: SECRET }, "AWS_ACCESS_KEY_ID is not set"],
    [{ ...KEY, AWS_ACCESS_KEY_ID: "ASIA1" }, "AWS_SESSION_TOKEN is not set"],
    [{ ...KEY, AWS_CREDENTIAL_EXPIRATION: SECRET }, "AWS_CREDENTIAL_EXPIRATION is not a time"],
  ];
  for (const [env, says] of INCOMPLETE) {
    it(`are refused: ${says}`, async () => {
      expect((await refusalOf(credentialsOf("environment", { env }))).message).to.include(says);
    });
  }
});
