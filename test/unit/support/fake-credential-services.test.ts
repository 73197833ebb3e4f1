import { expect } from "chai";
import { ROLE_ARN } from "../../support/credentials.ts";
import {
  CONTAINER_PATH,
  startFakeContainer,
  startFakeMetadata,
  startFakeSts,
} from "../../support/fake-credential-services.ts";

const KEY = { accessKeyId: "ASIA1", secretAccessKey: "s", sessionToken: "t", expiresAt: 3_600_000 };

const ROLES = "/latest/meta-data/iam/security-credentials/";
const TTL = "x-aws-ec2-metadata-token-ttl-seconds";

/** Status and body of an answer. */
async function fetched(url: string, init: RequestInit = {}): Promise<[number, string]> {
  const response = await fetch(url, { redirect: "manual", ...init });
  return [response.status, await response.text()];
}

describe("the fake instance metadata", () => {
  it("gives tokens by PUT, for 1 to 21,600 seconds, and never through a proxy", async () => {
    await using fake = await startFakeMetadata({ role: "web", key: KEY });
    const url = `${fake.endpoint}/latest/api/token`;
    const status = async (headers: Record<string, string>, method = "PUT") =>
      (await fetched(url, { method, headers }))[0];
    expect(await status({ [TTL]: "1" })).to.equal(200);
    expect(await status({ [TTL]: "21600" })).to.equal(200);
    for (const seconds of ["0", "21601", "x", "1.5"]) {
      expect(await status({ [TTL]: seconds }), seconds).to.equal(400);
    }
    expect(await status({})).to.equal(400);
    expect(await status({ [TTL]: "1", "x-forwarded-for": "1.2.3.4" })).to.equal(403);
    expect(await status({ [TTL]: "1" }, "POST")).to.equal(405);
  });

  it("gives nothing without a token that it gave", async () => {
    await using fake = await startFakeMetadata({ role: "web", key: KEY });
    const get = (token?: string) =>
      fetched(`${fake.endpoint}${ROLES}web`, {
        headers: token === undefined ? {} : { "x-aws-ec2-metadata-token": token },
      });
    expect((await get())[0]).to.equal(401);
    expect((await get("made up"))[0]).to.equal(401);
    const [, token] = await fetched(`${fake.endpoint}/latest/api/token`, {
      method: "PUT",
      headers: { [TTL]: "60" },
    });
    const [status, body] = await get(token);
    expect(status).to.equal(200);
    expect(JSON.parse(body)).to.deep.equal({
      Code: "Success",
      AccessKeyId: "ASIA1",
      SecretAccessKey: "s",
      Token: "t",
      Expiration: "1970-01-01T01:00:00.000Z",
    });
  });

  it("of version 1 knows no tokens, and asks for none", async () => {
    await using fake = await startFakeMetadata({ role: "web", key: KEY, version: 1 });
    const put = { method: "PUT", headers: { [TTL]: "60" } };
    expect((await fetched(`${fake.endpoint}/latest/api/token`, put))[0]).to.equal(405);
    expect(await fetched(fake.endpoint + ROLES)).to.deep.equal([200, "web"]);
    expect((await fetched(`${fake.endpoint}${ROLES}other`))[0]).to.equal(404);
  });
});

describe("the fake container endpoint", () => {
  it("answers at its path, to the token of now", async () => {
    let token = "a";
    await using fake = await startFakeContainer({ key: KEY, token: () => token });
    const status = async (path: string, authorization: string) =>
      (await fetched(fake.endpoint + path, { headers: { authorization } }))[0];
    expect(await status(CONTAINER_PATH, "a")).to.equal(200);
    expect(await status("/", "a")).to.equal(404);
    token = "b";
    expect(await status(CONTAINER_PATH, "a")).to.equal(401);
  });
});

describe("the fake STS", () => {
  const SIGNED = { authorization: "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/x/sts/aws4_request" };
  const ASSUME = {
    Action: "AssumeRole",
    Version: "2011-06-15",
    RoleArn: ROLE_ARN,
    RoleSessionName: "host-1",
  };
  const BY_TOKEN = { ...ASSUME, Action: "AssumeRoleWithWebIdentity", WebIdentityToken: "token" };

  const TABLE: readonly (readonly [
    what: string,
    input: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>>,
    status: number,
    says: string,
  ])[] = [
    ["a signed request", ASSUME, SIGNED, 200, "<AccessKeyId>ASIA1</AccessKeyId>"],
    ["a token", BY_TOKEN, {}, 200, "<AccessKeyId>ASIA1</AccessKeyId>"],
    ["no signature", ASSUME, {}, 403, "AccessDenied"],
    ["a token and a signature", BY_TOKEN, SIGNED, 400, "InvalidIdentityToken"],
    ["an unknown token", { ...BY_TOKEN, WebIdentityToken: "x" }, {}, 400, "InvalidIdentityToken"],
    ["another action", { ...ASSUME, Action: "GetCallerIdentity" }, SIGNED, 400, "InvalidAction"],
    ["another version", { ...ASSUME, Version: "1" }, SIGNED, 400, "InvalidAction"],
    ["no ARN of a role", { ...ASSUME, RoleArn: "role" }, SIGNED, 400, "ValidationError"],
    ["a short session name", { ...ASSUME, RoleSessionName: "x" }, SIGNED, 400, "ValidationError"],
    [
      "a long session name",
      { ...ASSUME, RoleSessionName: "x".repeat(65) },
      SIGNED,
      400,
      "ValidationError",
    ],
  ];
  for (const [what, input, headers, status, says] of TABLE) {
    it(`answers ${what} with ${status}`, async () => {
      const known = new Set(["AKIA1", "token"]);
      await using fake = await startFakeSts({ key: KEY, mayAssume: (who) => known.has(who) });
      const body = new URLSearchParams(input);
      const [answered, text] = await fetched(fake.endpoint, { method: "POST", headers, body });
      expect(answered).to.equal(status);
      expect(text).to.include(says);
    });
  }
});
