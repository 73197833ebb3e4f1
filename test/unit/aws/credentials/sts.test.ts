import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import {
  accessKeyIdOf,
  credentialsOf,
  HastyClock,
  keyOf,
  MINUTE_MS,
  profileText,
  ROLE_ARN,
  refusalOf,
  SECRET,
  withSts,
} from "../../../support/credentials.ts";
import {
  CONTAINER_PATH,
  refusal,
  startFakeContainer,
  startFakeMetadata,
  startFakeSts,
} from "../../../support/fake-credential-services.ts";

/** A host with an STS and a folder, and a role that whoever is in `allowed` may assume. */
async function startHost() {
  const clock = new HastyClock();
  const folder = await mkdtempDisposable(`${tmpdir()}/s3oa-sts-`);
  const allowed = new Set<string>();
  const sts = await startFakeSts({
    key: keyOf("ASIAROLE1", clock),
    mayAssume: (who) => allowed.has(who),
  });
  return {
    clock,
    sts,
    allowed,
    path: (name: string) => `${folder.path}/${name}`,
    write: (name: string, text: string) => writeFile(`${folder.path}/${name}`, text),
    async [Symbol.asyncDispose]() {
      await sts[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

const KEY = { AWS_ACCESS_KEY_ID: "AKIAENV", AWS_SECRET_ACCESS_KEY: SECRET };

describe("credentials of a web identity", () => {
  it("come for the token that the file holds now", async () => {
    await using host = await startHost();
    const { clock, sts, allowed } = host;
    const env = { AWS_WEB_IDENTITY_TOKEN_FILE: host.path("token"), AWS_ROLE_ARN: ROLE_ARN };
    const credentials = credentialsOf("web-identity", { env, clock });
    await withSts(sts.endpoint, async () => {
      allowed.add(`${SECRET}-first`);
      await host.write("token", `${SECRET}-first`);
      expect(await accessKeyIdOf(credentials)).to.equal("ASIAROLE1");
      expect(credentials.describe()).to.deep.equal({
        source: `web identity, role ${ROLE_ARN}`,
        expiresAt: clock.now() + 60 * MINUTE_MS,
        accessKeyId: "OLE1",
      });
      expect(new URLSearchParams(sts.requests[0]?.body).get("RoleSessionName")).to.equal("host-1");

      allowed.clear();
      allowed.add(`${SECRET}-second`);
      await host.write("token", `${SECRET}-second`);
      await clock.advance(59.5 * MINUTE_MS);
      sts.give(keyOf("ASIAROLE2", clock));
      expect(await accessKeyIdOf(credentials)).to.equal("ASIAROLE2");
    });
  });

  it("are refused with STS's reason, without the token", async () => {
    await using host = await startHost();
    await host.write("token", `${SECRET}-wrong`);
    const env = { AWS_WEB_IDENTITY_TOKEN_FILE: host.path("token"), AWS_ROLE_ARN: ROLE_ARN };
    await withSts(host.sts.endpoint, async () => {
      const credentials = credentialsOf("web-identity", { env });
      const { message } = await refusalOf(credentials);
      expect(message).to.include(ROLE_ARN).and.include("InvalidIdentityToken");
      host.sts.onRequest(() => refusal(400, "InvalidIdentityToken", `What is ${SECRET}-wrong?`));
      const again = await refusalOf(credentialsOf("web-identity", { env }));
      expect(again.message).to.include("What is (hidden)?");
    });
  });

  it("need both variables, and the file", async () => {
    const env = { AWS_ROLE_ARN: ROLE_ARN };
    const error = await refusalOf(credentialsOf("web-identity", { env }));
    expect(error.message).to.include("AWS_WEB_IDENTITY_TOKEN_FILE");
    const absent = { ...env, AWS_WEB_IDENTITY_TOKEN_FILE: "/nonexistent/token" };
    const { message } = await refusalOf(credentialsOf("web-identity", { env: absent }));
    expect(message).to.include("/nonexistent/token cannot be read: ENOENT");
  });

  it("come from a profile, too", async () => {
    await using host = await startHost();
    await host.write("token", "t");
    host.allowed.add("t");
    const config = `[default]\nrole_arn = ${ROLE_ARN}\nweb_identity_token_file = ${host.path("token")}\n`;
    await host.write("config", config);
    const env = { AWS_CONFIG_FILE: host.path("config") };
    await withSts(host.sts.endpoint, async () => {
      expect(await accessKeyIdOf(credentialsOf("profile", { env }))).to.equal("ASIAROLE1");
    });
  });
});

describe("a role that is assumed", () => {
  it("over credentials of the environment", async () => {
    await using host = await startHost();
    host.allowed.add("AKIAENV");
    const { clock, sts } = host;
    const credentials = credentialsOf("auto", { env: KEY, roleArn: ROLE_ARN, clock });
    await withSts(sts.endpoint, async () => {
      expect(await accessKeyIdOf(credentials)).to.equal("ASIAROLE1");
      expect(credentials.describe()?.source).to.equal(`assumed role ${ROLE_ARN} over environment`);
      await clock.advance(59.5 * MINUTE_MS);
      sts.give(keyOf("ASIAROLE2", clock));
      expect(await accessKeyIdOf(credentials)).to.equal("ASIAROLE2");
    });
  });

  it("over a shared file that was replaced: with the keys of now", async () => {
    await using host = await startHost();
    const { clock, sts, allowed } = host;
    await host.write("credentials", profileText("default", "ASIAHYBRID1"));
    allowed.add("ASIAHYBRID1");
    const choice = `shared-file:${host.path("credentials")}`;
    const credentials = credentialsOf(choice, { roleArn: ROLE_ARN, clock });
    await withSts(sts.endpoint, async () => {
      await credentials.provider();
      allowed.clear();
      allowed.add("ASIAHYBRID2");
      await host.write("credentials", profileText("default", "ASIAHYBRID2"));
      await clock.advance(59.5 * MINUTE_MS);
      sts.give(keyOf("ASIAROLE2", clock));
      expect(await accessKeyIdOf(credentials)).to.equal("ASIAROLE2");
    });
  });

  it("over the instance profile, the container, a web identity and a process", async () => {
    await using host = await startHost();
    const { clock, sts, allowed } = host;
    await using metadata = await startFakeMetadata({ role: "web", key: keyOf("ASIAIMDS", clock) });
    await using container = await startFakeContainer({
      key: keyOf("ASIAECS", clock),
      token: () => "t",
    });
    const processOutput = JSON.stringify({
      Version: 1,
      AccessKeyId: "AKIAPROC",
      SecretAccessKey: SECRET,
    });
    await host.write("token", "web-token");
    const env = {
      AWS_EC2_METADATA_DISABLED: undefined,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.endpoint,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: container.endpoint + CONTAINER_PATH,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: "t",
      AWS_WEB_IDENTITY_TOKEN_FILE: host.path("token"),
      AWS_ROLE_ARN: ROLE_ARN,
    };
    const rows = [
      ["instance-profile", ["ASIAIMDS"]],
      ["container", ["ASIAECS"]],
      ["web-identity", ["web-token", "ASIAROLE1"]],
      [`process:echo '${processOutput}'`, ["AKIAPROC"]],
    ] as const;
    await withSts(sts.endpoint, async () => {
      for (const [choice, whos] of rows) {
        allowed.clear();
        for (const who of whos) allowed.add(who);
        const credentials = credentialsOf(choice, { env, roleArn: ROLE_ARN, clock });
        expect(await accessKeyIdOf(credentials), choice).to.equal("ASIAROLE1");
      }
    });
  });

  it("of a profile, over another profile, with what it says of the session", async () => {
    await using host = await startHost();
    host.allowed.add("ASIABASE");
    await host.write("credentials", profileText("base", "ASIABASE"));
    const config = `[profile web]\nrole_arn = ${ROLE_ARN}\nsource_profile = base\nexternal_id = e1\nduration_seconds = 900\nrole_session_name = s1\n`;
    await host.write("config", config);
    const env = {
      AWS_CONFIG_FILE: host.path("config"),
      AWS_SHARED_CREDENTIALS_FILE: host.path("credentials"),
    };
    const credentials = credentialsOf("profile:web", { env });
    await withSts(host.sts.endpoint, async () => {
      expect(await accessKeyIdOf(credentials)).to.equal("ASIAROLE1");
    });
    expect(credentials.describe()?.source).to.equal(
      `assumed role ${ROLE_ARN} over shared file ${host.path("credentials")}, profile base`,
    );
    const input = Object.fromEntries(new URLSearchParams(host.sts.requests[0]?.body));
    expect(input).to.include({ ExternalId: "e1", DurationSeconds: "900", RoleSessionName: "s1" });
  });

  it("of a profile that names itself as its source: over its own keys", async () => {
    await using host = await startHost();
    host.allowed.add("ASIASELF");
    const keys = profileText("default", "ASIASELF");
    await host.write("credentials", `${keys}role_arn = ${ROLE_ARN}\nsource_profile = default\n`);
    const env = { AWS_SHARED_CREDENTIALS_FILE: host.path("credentials") };
    await withSts(host.sts.endpoint, async () => {
      expect(await accessKeyIdOf(credentialsOf("profile", { env }))).to.equal("ASIAROLE1");
    });
  });

  it("of a profile over the instance profile, with a token only", async () => {
    await using host = await startHost();
    host.allowed.add("ASIAIMDS");
    const key = keyOf("ASIAIMDS", host.clock);
    await using metadata = await startFakeMetadata({ role: "web", key, version: 1 });
    const config = `[default]\nrole_arn = ${ROLE_ARN}\ncredential_source = Ec2InstanceMetadata\n`;
    await host.write("config", config);
    const env = {
      AWS_CONFIG_FILE: host.path("config"),
      AWS_EC2_METADATA_DISABLED: undefined,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.endpoint,
    };
    await withSts(host.sts.endpoint, async () => {
      await refusalOf(credentialsOf("profile", { env, clock: host.clock }));
      const allowing = credentialsOf("profile", { env, clock: host.clock, allowImdsV1: true });
      expect(await accessKeyIdOf(allowing)).to.equal("ASIAROLE1");
    });
  });

  for (const [hostId, name] of [
    ["x", "host-x"],
    ["h".repeat(128), "h".repeat(64)],
  ] as const) {
    it(`has a session named after the host, in STS's limits: ${name}`, async () => {
      await using host = await startHost();
      host.allowed.add("AKIAENV");
      await withSts(host.sts.endpoint, async () => {
        await credentialsOf("auto", { env: KEY, roleArn: ROLE_ARN, hostId }).provider();
      });
      expect(new URLSearchParams(host.sts.requests[0]?.body).get("RoleSessionName")).to.equal(name);
    });
  }

  const REFUSALS = [
    [{ status: 403, code: "AccessDenied" }, "AccessDenied", "trust policy"],
    [{ status: 403, code: "ExpiredToken" }, "ExpiredToken", "have ended"],
    [{ status: 403, code: "SignatureDoesNotMatch" }, "SignatureDoesNotMatch", "have ended"],
  ] as const;
  for (const [{ status, code }, says, hint] of REFUSALS) {
    it(`is refused with STS's reason and no secret: ${code}`, async () => {
      await using host = await startHost();
      const message = `It. The Canonical String for this request should have been\n'x-amz-security-token:${SECRET}-token' and the key ${SECRET}-key.`;
      host.sts.onRequest(() => refusal(status, code, message));
      await host.write("credentials", profileText("default", "ASIABASE"));
      const choice = `shared-file:${host.path("credentials")}`;
      await withSts(host.sts.endpoint, async () => {
        const error = await refusalOf(credentialsOf(choice, { roleArn: ROLE_ARN }));
        expect(error.message).to.include(`${ROLE_ARN} over shared file`).and.include(says);
        expect(error.hint).to.include(hint);
      });
    });
  }

  it("is not given by something that is not STS", async () => {
    await using host = await startHost();
    for (const status of [200, 403, 418]) {
      host.sts.onRequest(() => ({ status, body: `<html>${SECRET}</html>` }));
      await withSts(host.sts.endpoint, async () => {
        await refusalOf(credentialsOf("auto", { env: KEY, roleArn: ROLE_ARN }));
      });
    }
  });

  it("is not given where STS is out of reach", async () => {
    await withSts("http://127.0.0.1:1", async () => {
      const error = await refusalOf(credentialsOf("auto", { env: KEY, roleArn: ROLE_ARN }));
      expect(error.message).to.include("ECONNREFUSED");
      expect(error.hint).to.include("AWS_ENDPOINT_URL_STS");
    });
  });
});
