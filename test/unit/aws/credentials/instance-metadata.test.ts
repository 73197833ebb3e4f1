import { expect } from "chai";
import { openMetadata } from "../../../../src/aws/credentials/instance-metadata.ts";
import {
  accessKeyIdOf,
  credentialsOf,
  HastyClock,
  keyOf,
  MINUTE_MS,
  refusalOf,
  SECRET,
} from "../../../support/credentials.ts";
import { type Fault, startFakeMetadata } from "../../../support/fake-credential-services.ts";

const CLOSED = "http://127.0.0.1:1";

const envOf = (endpoint: string) => ({
  AWS_EC2_METADATA_DISABLED: undefined,
  AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint,
});

async function startHost(options: { version?: 1 | 2; role?: string; lifeMs?: number } = {}) {
  const clock = new HastyClock();
  const { role = "web-role", version = 2, lifeMs } = options;
  const key = keyOf("ASIAINSTANCE1", clock, lifeMs);
  const fake = await startFakeMetadata({ role, key, version });
  return { clock, fake, key, env: envOf(fake.endpoint) };
}

/** The first so many requests of a method are answered in this way. */
const first = (count: number, method: string, answer: ReturnType<Fault>): Fault => {
  let left = count;
  return (request) => {
    if (request.method !== method || left === 0) return undefined;
    left -= 1;
    return answer;
  };
};

describe("credentials of the instance profile", () => {
  it("come with a token, and their role is told", async () => {
    const { fake, clock, key, env } = await startHost();
    await using _ = fake;
    const credentials = credentialsOf("instance-profile", { env, clock });
    expect(await credentials.provider()).to.deep.equal({
      accessKeyId: key.accessKeyId,
      secretAccessKey: key.secretAccessKey,
      sessionToken: key.sessionToken,
      expiration: new Date(key.expiresAt),
    });
    expect(credentials.describe()).to.deep.equal({
      source: "instance profile web-role",
      expiresAt: key.expiresAt,
      accessKeyId: "NCE1",
    });
  });

  it("are replaced before they end", async () => {
    const { fake, clock, env } = await startHost();
    await using _ = fake;
    const credentials = credentialsOf("instance-profile", { env, clock });
    await credentials.provider();
    const asked = fake.requests.length;
    await clock.advance(54 * MINUTE_MS);
    fake.give(keyOf("ASIAINSTANCE2", clock));
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAINSTANCE1");
    expect(fake.requests).to.have.length(asked);
    await clock.advance(5 * MINUTE_MS);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAINSTANCE2");
  });

  const PASSING: readonly (readonly [what: string, fault: () => Fault])[] = [
    ["the token fails with 500", () => first(3, "PUT", { status: 500 })],
    ["the token is throttled", () => first(3, "PUT", { status: 429 })],
    ["the token is not answered", () => first(1, "PUT", "hang")],
    ["the role fails with 503", () => first(3, "GET", { status: 503 })],
    ["the role is not answered", () => first(1, "GET", "hang")],
  ];
  for (const [what, fault] of PASSING) {
    it(`come in spite of trouble that passes: ${what}`, async () => {
      const { fake, clock, env } = await startHost();
      await using _ = fake;
      fake.onRequest(fault());
      const credentials = credentialsOf("instance-profile", { env, clock });
      expect(await accessKeyIdOf(credentials)).to.equal("ASIAINSTANCE1");
    });
  }

  const LASTING: readonly (readonly [what: string, fault: Fault, says: string, hint: string])[] = [
    ["turned off", first(99, "PUT", { status: 403 }), "status 403", "HttpEndpoint"],
    ["a proxy", first(99, "PUT", { status: 405 }), "status 405", "allowImdsV1"],
    ["broken", first(99, "PUT", { status: 500, body: SECRET }), "status 500", "asks again"],
    ["too far", first(99, "PUT", "hang"), "no answer in time", "hop limit"],
    ["refusing", first(99, "GET", { status: 400, body: SECRET }), "status 400", "again later"],
  ];
  for (const [what, fault, says, hint] of LASTING) {
    it(`do not come where metadata is ${what}: ${says}`, async () => {
      const { fake, clock, env } = await startHost();
      await using _ = fake;
      fake.onRequest(fault);
      const error = await refusalOf(credentialsOf("instance-profile", { env, clock }));
      expect(error.message).to.include("Instance metadata").and.include(says);
      expect(error.hint).to.include(hint);
      // Never once without a token.
      const bare = fake.requests.filter(
        ({ method, headers }) =>
          method === "GET" && headers["x-aws-ec2-metadata-token"] === undefined,
      );
      expect(bare).to.deep.equal([]);
    });
  }

  it("come again as soon as the token does: a refusal does not stick", async () => {
    const { fake, clock, env } = await startHost();
    await using _ = fake;
    const credentials = credentialsOf("instance-profile", { env, clock });
    for (const status of [403, 404, 405]) {
      fake.onRequest(first(1, "PUT", { status }));
      await refusalOf(credentials);
      await clock.advance(MINUTE_MS);
    }
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAINSTANCE1");
  });

  const BODIES: readonly (readonly [body: string, says: string])[] = [
    [`{"SecretAccessKey":"${SECRET}`, "no credentials for role web-role."],
    [`<html>${SECRET}</html>`, "no credentials for role web-role."],
    [JSON.stringify({ AccessKeyId: "A", SecretAccessKey: SECRET }), "no credentials for role"],
    [
      JSON.stringify({ Code: "AssumeRoleUnauthorizedAccess", Message: SECRET }),
      "no credentials for role web-role: AssumeRoleUnauthorizedAccess.",
    ],
    [JSON.stringify({ Code: `${SECRET} 1` }), "no credentials for role web-role."],
  ];
  for (const [body, says] of BODIES) {
    it(`are not taken from ${JSON.stringify(body).replace(SECRET, "…")}`, async () => {
      const { fake, clock, env } = await startHost();
      await using _ = fake;
      fake.onRequest(({ path }) => (path.endsWith("role") ? { status: 200, body } : undefined));
      const error = await refusalOf(credentialsOf("instance-profile", { env, clock }));
      expect(error.message).to.include(says);
    });
  }

  it("need a role at the instance", async () => {
    const { fake, clock, env } = await startHost({ role: "" });
    await using _ = fake;
    const error = await refusalOf(credentialsOf("instance-profile", { env, clock }));
    expect(error.message).to.equal("This instance has no instance profile.");
  });

  it("that have ended are used all the same, and soon asked for again", async () => {
    const { fake, clock, env } = await startHost({ lifeMs: -MINUTE_MS });
    await using _ = fake;
    const credentials = credentialsOf("instance-profile", { env, clock });
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAINSTANCE1");
    const asked = fake.requests.length;
    await credentials.provider();
    expect(fake.requests).to.have.length(asked);
    fake.give(keyOf("ASIAINSTANCE2", clock));
    await clock.advance(5 * MINUTE_MS);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAINSTANCE2");
  });

  it("are kept to their end where metadata fails, and not longer", async () => {
    const { fake, clock, env } = await startHost();
    await using _ = fake;
    const credentials = credentialsOf("instance-profile", { env, clock });
    await credentials.provider();
    fake.onRequest(() => ({ status: 500 }));
    await clock.advance(59.5 * MINUTE_MS);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAINSTANCE1");
    expect(credentials.lastError()?.message).to.include("status 500");
    await clock.advance(MINUTE_MS);
    expect((await refusalOf(credentials)).message).to.include("status 500");
    fake.onRequest(() => undefined);
    fake.give(keyOf("ASIAINSTANCE2", clock));
    await clock.advance(MINUTE_MS);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAINSTANCE2");
    expect(credentials.lastError()).to.equal(undefined);
  });

  it("are refused by version 1, unless the bootstrap file allows that", async () => {
    const { fake, clock, env } = await startHost({ version: 1 });
    await using _ = fake;
    const error = await refusalOf(credentialsOf("instance-profile", { env, clock }));
    expect(error.hint).to.include("allowImdsV1");
    expect(fake.requests.filter(({ method }) => method === "GET")).to.deep.equal([]);

    const allowed = credentialsOf("instance-profile", { env, clock, allowImdsV1: true });
    expect(await accessKeyIdOf(allowed)).to.equal("ASIAINSTANCE1");

    const forbidden = { ...env, AWS_EC2_METADATA_V1_DISABLED: "true" };
    await refusalOf(
      credentialsOf("instance-profile", { env: forbidden, clock, allowImdsV1: true }),
    );
  });

  it("are asked for with a token also where version 1 is allowed, as soon as there is one", async () => {
    const { fake, clock, env } = await startHost();
    await using _ = fake;
    fake.onRequest(first(1, "PUT", { status: 404 }));
    const credentials = credentialsOf("instance-profile", { env, clock, allowImdsV1: true });
    await refusalOf(credentials);
    await clock.advance(MINUTE_MS);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAINSTANCE1");
  });

  it("are not asked for where the SDK's variable forbids it", async () => {
    const { fake, clock, env } = await startHost();
    await using _ = fake;
    const disabled = { ...env, AWS_EC2_METADATA_DISABLED: "true" };
    const error = await refusalOf(credentialsOf("instance-profile", { env: disabled, clock }));
    expect(error.message).to.include("AWS_EC2_METADATA_DISABLED");
    expect(fake.requests).to.deep.equal([]);
  });

  it("do not come from a host without instance metadata, or with a wrong address", async () => {
    const error = await refusalOf(credentialsOf("instance-profile", { env: envOf(CLOSED) }));
    expect(error.message).to.include("ECONNREFUSED");
    expect(error.hint).to.include("Only EC2");
    const wrong = await refusalOf(credentialsOf("instance-profile", { env: envOf("metadata") }));
    expect(wrong.message).to.include("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  });

  it("are not longer than credentials are", async () => {
    const { fake, clock, env } = await startHost();
    await using _ = fake;
    const body = "x".repeat(100_000);
    fake.onRequest(({ method }) => (method === "GET" ? { status: 200, body } : undefined));
    const error = await refusalOf(credentialsOf("instance-profile", { env, clock }));
    expect(error.message).to.include("EPROTO");
  });
});

describe("openMetadata", () => {
  it("asks for any path", async () => {
    const { fake, clock, env } = await startHost();
    await using _ = fake;
    const askMetadata = await openMetadata({ env, clock, allowV1: false });
    fake.onRequest(({ path }) =>
      path === "/latest/meta-data/instance-id" ? { status: 200, body: "i-0abc" } : undefined,
    );
    expect(await askMetadata("/latest/meta-data/instance-id")).to.deep.equal({
      kind: "answered",
      status: 200,
      body: "i-0abc",
    });
    expect(await askMetadata("/latest/other")).to.include({ status: 404 });
  });
});
