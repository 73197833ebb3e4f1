import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { ROLE_ARN, SECRET } from "../support/credentials.ts";
import {
  CONTAINER_PATH,
  type FakeKey,
  startFakeContainer,
  startFakeMetadata,
} from "../support/fake-credential-services.ts";
import { startFakeS3 } from "../support/fake-s3.ts";
import { makeHost, type TestHost } from "../support/host.ts";

const HOUR_MS = 3_600_000;

const keyOf = (accessKeyId: string): FakeKey => ({
  accessKeyId,
  secretAccessKey: `${SECRET}-key`,
  sessionToken: `${SECRET}-token`,
  expiresAt: Date.now() + HOUR_MS,
});

const profileOf = (accessKeyId: string) =>
  `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${SECRET}\naws_session_token=${SECRET}\n`;

/** What a host needs for a source of credentials: files, services, variables. */
interface Set {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The access key id that S3 must see. */
  readonly signer: RegExp;
}

const SOURCES: Readonly<
  Record<string, (host: TestHost, stack: AsyncDisposableStack) => Promise<Set>>
> = {
  environment: async () => ({
    env: { S3_OFFLOAD_CREDENTIALS: "environment" },
    signer: /^local-aws$/,
  }),
  "a shared file": async ({ folder }) => {
    await writeFile(join(folder, "hybrid"), profileOf("ASIAHYBRID"));
    const env = { S3_OFFLOAD_CREDENTIALS: `shared-file:${folder}/hybrid` };
    return { env, signer: /^ASIAHYBRID$/ };
  },
  "a profile with a process": async ({ folder }) => {
    const output = JSON.stringify({
      Version: 1,
      AccessKeyId: "ASIAANYWHERE",
      SecretAccessKey: SECRET,
      SessionToken: SECRET,
      Expiration: new Date(Date.now() + HOUR_MS).toISOString(),
    });
    await writeFile(join(folder, "config"), `[default]\ncredential_process = echo '${output}'\n`);
    const env = { S3_OFFLOAD_CREDENTIALS: "profile", AWS_CONFIG_FILE: `${folder}/config` };
    return { env, signer: /^ASIAANYWHERE$/ };
  },
  "the instance profile": async (_, stack) => {
    const key = keyOf("ASIAINSTANCE");
    const fake = stack.use(await startFakeMetadata({ role: "web", key }));
    const env = {
      S3_OFFLOAD_CREDENTIALS: "instance-profile",
      AWS_EC2_METADATA_DISABLED: undefined,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: fake.endpoint,
    };
    return { env, signer: /^ASIAINSTANCE$/ };
  },
  "the container, by the SDK's order": async (_, stack) => {
    const key = keyOf("ASIACONTAINER");
    const fake = stack.use(await startFakeContainer({ key, token: () => "t" }));
    const env = {
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: fake.endpoint + CONTAINER_PATH,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: "t",
    };
    return { env, signer: /^ASIACONTAINER$/ };
  },
  "a web identity and STS": async ({ folder }) => {
    await writeFile(join(folder, "token"), "a.b.c");
    const env = {
      S3_OFFLOAD_CREDENTIALS: "web-identity",
      AWS_WEB_IDENTITY_TOKEN_FILE: `${folder}/token`,
      AWS_ROLE_ARN: ROLE_ARN,
    };
    return { env, signer: /^ASIA\w{16}$/ };
  },
  "a role over a shared file": async ({ folder }) => {
    await writeFile(join(folder, "hybrid"), profileOf("ASIAHYBRID"));
    const env = {
      S3_OFFLOAD_CREDENTIALS: `shared-file:${folder}/hybrid`,
      S3_OFFLOAD_ROLE_ARN: ROLE_ARN,
    };
    return { env, signer: /^ASIA(?!HYBRID)\w{16}$/ };
  },
};

describe("the agent's credentials", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  for (const [name, prepare] of Object.entries(SOURCES)) {
    it(`come from ${name}: a sweep uploads with them`, async () => {
      await using stack = new AsyncDisposableStack();
      const host = stack.use(await makeHost(aws));
      const { env, signer } = await prepare(host, stack);
      const s3 = stack.use(await startFakeS3({ buckets: [host.bucket] }));
      await host.write("a.csv");
      const ended = await host.run(["sweep"], {
        env: { ...env, AWS_ENDPOINT_URL_S3: s3.endpoint },
      });
      expect(ended, ended.stderr).to.include({ exitCode: 0 });
      const [, signedBy] =
        /Credential=([^/]+)\//.exec(`${s3.requests[0]?.headers["authorization"]}`) ?? [];
      expect(signedBy).to.match(signer);
      expect(ended.stdout + ended.stderr).not.to.include(SECRET);
    });
  }

  const BROKEN: readonly (readonly [choice: string, exitCode: number, says: string])[] = [
    [`process:echo ${SECRET} >&2; exit 4`, 3, "exit code 4"],
    ["shared-file:/nonexistent/credentials", 3, "/nonexistent/credentials"],
    ["container", 3, "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    ["instance-profile", 3, "AWS_EC2_METADATA_DISABLED"],
    [`AKIA:${SECRET}`, 2, "profile:NAME, shared-file:/PATH, ssm-hybrid, process:COMMAND"],
  ];
  for (const [choice, exitCode, says] of BROKEN) {
    it(`are missing with ${choice.replace(SECRET, "…")}: says so and ends with ${exitCode}`, async () => {
      await using host = await makeHost(aws);
      await host.write("a.csv");
      const ended = await host.run(["sweep"], { env: { S3_OFFLOAD_CREDENTIALS: choice } });
      expect(ended.exitCode).to.equal(exitCode);
      expect(ended.stderr).to.include(says);
      expect(ended.stdout + ended.stderr).not.to.include(SECRET);
    });
  }
});
