import { mkdtempDisposable, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import {
  accessKeyIdOf,
  credentialsOf,
  HastyClock,
  MINUTE_MS,
  profileText,
  refusalOf,
  SECRET,
} from "../../../support/credentials.ts";

/** A host with shared files of its own. */
async function startHost() {
  const folder = await mkdtempDisposable(`${tmpdir()}/s3oa-shared-`);
  const file = `${folder.path}/credentials`;
  const config = `${folder.path}/config`;
  return {
    clock: new HastyClock(),
    file,
    config,
    env: { AWS_SHARED_CREDENTIALS_FILE: file, AWS_CONFIG_FILE: config },
    write: (text: string) => writeFile(file, text),
    [Symbol.asyncDispose]: () => folder.remove(),
  };
}

describe("credentials of a shared file that another program keeps fresh", () => {
  it("are read, told, and given an end of some minutes for the SDK", async () => {
    await using host = await startHost();
    await host.write(profileText("default", "ASIAHYBRID1"));
    const credentials = credentialsOf(`shared-file:${host.file}`, host);
    expect(await credentials.provider()).to.deep.equal({
      accessKeyId: "ASIAHYBRID1",
      secretAccessKey: `${SECRET}-key`,
      sessionToken: `${SECRET}-token`,
      expiration: new Date(host.clock.now() + 5 * MINUTE_MS),
    });
    expect(credentials.describe()).to.deep.equal({
      source: `shared file ${host.file}, profile default`,
      expiresAt: undefined,
      accessKeyId: "RID1",
    });
  });

  it("are read again within minutes, for ever", async () => {
    await using host = await startHost();
    const credentials = credentialsOf(`shared-file:${host.file}`, host);
    for (let round = 1; round <= 5; round += 1) {
      await host.write(profileText("default", `ASIAHYBRID${round}`));
      await host.clock.advance(5 * MINUTE_MS);
      expect(await accessKeyIdOf(credentials)).to.equal(`ASIAHYBRID${round}`);
    }
  });

  /** What the file may be for a moment while it is written, or for longer when something is broken. */
  const TORN: readonly (readonly [what: string, text: string | undefined, says: string])[] = [
    ["missing", undefined, "ENOENT"],
    ["empty", "", "no profile default"],
    ["cut in the section", "[defau", "no profile default"],
    ["cut after the id", "[default]\naws_access_key_id = ASIAHYBRID2\n", "only a part of a key"],
    [
      "cut before the token",
      profileText("default", "ASIAHYBRID2").split("aws_session_token")[0],
      "only a part of a key",
    ],
    ["other than INI", `{"key": "${SECRET}"}`, "no profile default"],
  ];
  for (const [what, text, says] of TORN) {
    it(`are kept while the file is ${what}, and not for ever`, async () => {
      await using host = await startHost();
      await host.write(profileText("default", "ASIAHYBRID1"));
      const credentials = credentialsOf(`shared-file:${host.file}`, host);
      await credentials.provider();
      if (text === undefined) await rm(host.file);
      else await host.write(text);

      await host.clock.advance(10 * MINUTE_MS);
      expect(await accessKeyIdOf(credentials)).to.equal("ASIAHYBRID1");
      expect(credentials.lastError()?.message).to.include(says);

      await host.clock.advance(6 * MINUTE_MS);
      const error = await refusalOf(credentials);
      expect(error.message).to.include(host.file).and.include(says);

      await host.write(profileText("default", "ASIAHYBRID3"));
      await host.clock.advance(2 * MINUTE_MS);
      expect(await accessKeyIdOf(credentials)).to.equal("ASIAHYBRID3");
      expect(credentials.lastError()).to.equal(undefined);
    });
  }

  it("follow AWS_PROFILE, and no other file than theirs", async () => {
    await using host = await startHost();
    await host.write(profileText("web", "ASIAHYBRID1"));
    await writeFile(host.config, profileText("default", "ASIACONFIG"));
    await refusalOf(credentialsOf(`shared-file:${host.file}`, host));
    const env = { ...host.env, AWS_PROFILE: "web" };
    const credentials = credentialsOf(`shared-file:${host.file}`, { ...host, env });
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAHYBRID1");
  });

  it("need a path that leads somewhere", async () => {
    const error = await refusalOf(credentialsOf("shared-file:/dev/null/credentials"));
    expect(error.message).to.include("/dev/null/credentials cannot be read: ENOTDIR");
  });
});

describe("credentials of a profile", () => {
  it("are those of the files, read again within minutes", async () => {
    await using host = await startHost();
    await writeFile(host.config, profileText("profile web", "ASIAWEB1"));
    const credentials = credentialsOf("profile:web", host);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAWEB1");
    expect(credentials.describe()?.source).to.equal(`shared file ${host.config}, profile web`);
    await host.write(profileText("web", "ASIAWEB2"));
    await host.clock.advance(5 * MINUTE_MS);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAWEB2");
    expect(credentials.describe()?.source).to.equal(`shared file ${host.file}, profile web`);
  });

  it("are those of AWS_PROFILE, else of default", async () => {
    await using host = await startHost();
    await host.write(profileText("default", "ASIADEFAULT") + profileText("web", "ASIAWEB"));
    expect(await accessKeyIdOf(credentialsOf("profile", host))).to.equal("ASIADEFAULT");
    const env = { ...host.env, AWS_PROFILE: "web" };
    expect(await accessKeyIdOf(credentialsOf("profile", { ...host, env }))).to.equal("ASIAWEB");
  });

  it("are found in the home of the environment", async () => {
    await using host = await startHost();
    const home = host.file.replace("/credentials", "");
    await host.write(profileText("default", "ASIAHOME"));
    const env = { HOME: home, AWS_SHARED_CREDENTIALS_FILE: "~/credentials" };
    expect(await accessKeyIdOf(credentialsOf("profile", { env }))).to.equal("ASIAHOME");
    const { message } = await refusalOf(credentialsOf("profile", { env: { HOME: home } }));
    expect(message).to.include(`${home}/.aws/credentials (ENOENT)`);
  });

  const REFUSED: readonly (readonly [config: string, says: string])[] = [
    ["[profile other]\nregion = x\n", "no profile web in"],
    ["[profile web]\nregion = x\n", "holds no credentials"],
    ["[profile web]\nsso_session = x\n", "SSO"],
    ["[profile web]\nlogin_session = x\n", "SSO"],
    [
      "[profile web]\nrole_arn = arn:x\nsource_profile = other\n",
      "source_profile other, which is not there",
    ],
    [
      "[profile web]\nrole_arn = arn:x\nsource_profile = a\n[profile a]\nrole_arn = arn:y\nsource_profile = b\n[profile b]\nrole_arn = arn:z\nsource_profile = a\n",
      "a, b, a lead back to a",
    ],
    ["[profile web]\nrole_arn = arn:x\ncredential_source = Moon\n", "unknown credential_source"],
    [
      "[profile web]\nrole_arn = arn:x\ncredential_source = Environment\nmfa_serial = x\n",
      "mfa_serial",
    ],
    [
      "[profile web]\nrole_arn = arn:x\ncredential_source = Environment\n",
      "no source: AWS_ACCESS_KEY_ID",
    ],
    [`[profile web]\naws_secret_access_key = ${SECRET}\n`, "only a part of a key"],
    [`[profile web]\ncredential_process = echo ${SECRET}; exit 1\n`, "exit code 1"],
  ];
  for (const [config, says] of REFUSED) {
    it(`are refused: ${says}`, async () => {
      await using host = await startHost();
      await writeFile(host.config, config);
      expect((await refusalOf(credentialsOf("profile:web", host))).message).to.include(says);
    });
  }

  it("may come from a process, as those of IAM Roles Anywhere", async () => {
    await using host = await startHost();
    const expiresAt = host.clock.now() + 60 * MINUTE_MS;
    const output = JSON.stringify({
      Version: 1,
      AccessKeyId: "ASIAANYWHERE",
      SecretAccessKey: SECRET,
      SessionToken: SECRET,
      Expiration: new Date(expiresAt).toISOString(),
    });
    await writeFile(host.config, `[default]\ncredential_process = printf %s '${output}'\n`);
    const credentials = credentialsOf("profile", host);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAANYWHERE");
    expect(credentials.describe()).to.include({ source: "process printf", expiresAt });
  });
});
