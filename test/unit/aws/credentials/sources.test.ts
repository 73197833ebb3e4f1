import { mkdtempDisposable, rm, writeFile } from "node:fs/promises";
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
  startFakeContainer,
  startFakeMetadata,
  startFakeSts,
} from "../../../support/fake-credential-services.ts";

/** A host that has credentials of every kind at once. */
async function startRichHost() {
  const clock = new HastyClock();
  const folder = await mkdtempDisposable(`${tmpdir()}/s3oa-chain-`);
  const file = `${folder.path}/credentials`;
  const tokenFile = `${folder.path}/token`;
  await writeFile(file, profileText("default", "ASIAPROFILE"));
  await writeFile(tokenFile, "t");
  const sts = await startFakeSts({ key: keyOf("ASIAWEBID", clock), mayAssume: () => true });
  const container = await startFakeContainer({ key: keyOf("ASIAECS", clock), token: () => "t" });
  const metadata = await startFakeMetadata({ role: "web", key: keyOf("ASIAIMDS", clock) });
  return {
    clock,
    file,
    sts,
    metadata,
    env: {
      AWS_ACCESS_KEY_ID: "AKIAENV",
      AWS_SECRET_ACCESS_KEY: SECRET,
      AWS_SHARED_CREDENTIALS_FILE: file,
      AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
      AWS_ROLE_ARN: ROLE_ARN,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: container.endpoint + CONTAINER_PATH,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: "t",
      AWS_EC2_METADATA_DISABLED: undefined,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.endpoint,
    } as Record<string, string | undefined>,
    async [Symbol.asyncDispose]() {
      for (const part of [sts, container, metadata]) await part[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

describe("credentials by `auto`", () => {
  it("are the first there are, in the SDK's order, and it is known which", async () => {
    await using host = await startRichHost();
    const { env, clock, sts, metadata } = host;
    const origin = new URL(String(env["AWS_CONTAINER_CREDENTIALS_FULL_URI"])).host;
    const steps: readonly (readonly [keyId: string, source: string, takeAway: string])[] = [
      ["AKIAENV", "environment", "AWS_ACCESS_KEY_ID"],
      ["ASIAPROFILE", `shared file ${host.file}, profile default`, "AWS_SHARED_CREDENTIALS_FILE"],
      ["ASIAWEBID", `web identity, role ${ROLE_ARN}`, "AWS_WEB_IDENTITY_TOKEN_FILE"],
      ["ASIAECS", `container endpoint ${origin}`, "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
      ["ASIAIMDS", "instance profile web", "AWS_EC2_METADATA_SERVICE_ENDPOINT"],
    ];
    await withSts(sts.endpoint, async () => {
      for (const [keyId, source, takeAway] of steps) {
        const credentials = credentialsOf("auto", { env, clock });
        expect(await accessKeyIdOf(credentials)).to.equal(keyId);
        expect(credentials.describe()?.source).to.equal(source);
        env[takeAway] = undefined;
      }
      env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1";
      const asked = metadata.requests.length;
      const { message, hint } = await refusalOf(credentialsOf("auto", { env, clock }));
      for (const kind of [
        "environment",
        "profile",
        "web identity",
        "container",
        "instance profile",
      ])
        expect(message).to.include(`${kind}: `);
      expect(hint).to.include("AWS_ACCESS_KEY_ID").and.include("`credentials`");
      expect(metadata.requests).to.have.length(asked);
    });
  });

  it("are those of AWS_PROFILE, even where the environment has some", async () => {
    await using host = await startRichHost();
    await writeFile(host.file, profileText("web", "ASIAWEB"));
    const env = { ...host.env, AWS_PROFILE: "web" };
    expect(await accessKeyIdOf(credentialsOf("auto", { ...host, env }))).to.equal("ASIAWEB");
  });

  it("are of nobody else where the one that is set up fails", async () => {
    await using host = await startRichHost();
    const base = { ...host.env, AWS_ACCESS_KEY_ID: undefined };
    const rows: readonly (readonly [env: Record<string, string | undefined>, says: string])[] = [
      [{ ...base, AWS_PROFILE: "absent" }, "no profile absent"],
      [
        { ...base, AWS_SHARED_CREDENTIALS_FILE: undefined, AWS_WEB_IDENTITY_TOKEN_FILE: "/x" },
        "/x",
      ],
    ];
    for (const [env, says] of rows) {
      expect((await refusalOf(credentialsOf("auto", { ...host, env }))).message).to.include(says);
    }
    await writeFile(host.file, "[default]\naws_access_key_id = ASIAX\n");
    const torn = await refusalOf(credentialsOf("auto", { ...host, env: base }));
    expect(torn.message).to.include("only a part of a key");
  });

  it("go on to the next where a profile says nothing of credentials", async () => {
    await using host = await startRichHost();
    await writeFile(host.file, "[web]\nregion = eu-central-1\n");
    const env = { ...host.env, AWS_PROFILE: "web", AWS_WEB_IDENTITY_TOKEN_FILE: undefined };
    expect(await accessKeyIdOf(credentialsOf("auto", { ...host, env }))).to.equal("ASIAECS");
  });

  it("stay with their source while it is away for a moment, and move on when they are over", async () => {
    await using host = await startRichHost();
    const env = { ...host.env, AWS_ACCESS_KEY_ID: undefined, AWS_WEB_IDENTITY_TOKEN_FILE: "" };
    const credentials = credentialsOf("auto", { ...host, env });
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAPROFILE");
    await rm(host.file);
    await host.clock.advance(10 * MINUTE_MS);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAPROFILE");
    await credentials.provider({ forceRefresh: true }).catch(() => undefined);
    await host.clock.advance(6 * MINUTE_MS);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAECS");
  });
});

describe("a choice of credentials", () => {
  const CHOICES: readonly (readonly [choice: string, keyId: string])[] = [
    ["environment", "AKIAENV"],
    ["profile", "ASIAPROFILE"],
    ["profile:default", "ASIAPROFILE"],
    ["web-identity", "ASIAWEBID"],
    ["container", "ASIAECS"],
    ["instance-profile", "ASIAIMDS"],
  ];
  for (const [choice, keyId] of CHOICES) {
    it(`of ${choice} beats the order, and tries no other`, async () => {
      await using host = await startRichHost();
      await withSts(host.sts.endpoint, async () => {
        expect(await accessKeyIdOf(credentialsOf(choice, host))).to.equal(keyId);
      });
      const others = { ...host.env };
      if (choice === "environment") others["AWS_ACCESS_KEY_ID"] = undefined;
      if (choice.startsWith("profile")) await rm(host.file);
      if (choice === "web-identity") others["AWS_ROLE_ARN"] = undefined;
      if (choice === "container") others["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = undefined;
      if (choice === "instance-profile") others["AWS_EC2_METADATA_DISABLED"] = "true";
      await refusalOf(credentialsOf(choice, { ...host, env: others }));
    });
  }
});
