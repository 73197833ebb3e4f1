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
  refusalOf,
} from "../../../support/credentials.ts";
import { startFakeMetadata } from "../../../support/fake-credential-services.ts";

/** Of one read: the token, the role, and its credentials. */
const READ_REQUESTS = 3;

async function startInstance() {
  const clock = new HastyClock();
  const fake = await startFakeMetadata({ role: "web", key: keyOf("ASIA1", clock) });
  const env = {
    AWS_EC2_METADATA_DISABLED: undefined,
    AWS_EC2_METADATA_SERVICE_ENDPOINT: fake.endpoint,
  };
  const credentials = credentialsOf("instance-profile", { env, clock });
  return {
    clock,
    fake,
    credentials,
    reads: () => fake.requests.length / READ_REQUESTS,
    [Symbol.asyncDispose]: () => fake[Symbol.asyncDispose](),
  };
}

describe("the agent's credentials", () => {
  it("are read when they are needed, once for all who need them together", async () => {
    await using host = await startInstance();
    expect(host.reads()).to.equal(0);
    const all = Array.from({ length: 20 }, () => accessKeyIdOf(host.credentials));
    expect(new Set(await Promise.all(all))).to.deep.equal(new Set(["ASIA1"]));
    expect(host.reads()).to.equal(1);
    await accessKeyIdOf(host.credentials);
    expect(host.reads()).to.equal(1);
  });

  it("are replaced beside the work: nobody waits minutes before the end", async () => {
    await using host = await startInstance();
    const { credentials, clock, fake } = host;
    await credentials.provider();
    await clock.advance(56 * MINUTE_MS);
    fake.give(keyOf("ASIA2", clock));
    expect(await accessKeyIdOf(credentials)).to.equal("ASIA1");
    while ((await accessKeyIdOf(credentials)) === "ASIA1") await nextTurn();
    expect(host.reads()).to.equal(2);
  });

  it("that are due are renewed though nobody needs them now, and no others are read", async () => {
    await using host = await startInstance();
    const { credentials, clock, fake } = host;
    await credentials.renewIfDue();
    expect(host.reads(), "nobody has needed any yet").to.equal(0);
    await credentials.provider();
    await clock.advance(50 * MINUTE_MS);
    fake.give(keyOf("ASIA2", clock));
    await credentials.renewIfDue();
    expect(host.reads(), "they are fresh").to.equal(1);
    await clock.advance(6 * MINUTE_MS);
    await credentials.renewIfDue();
    expect(host.reads()).to.equal(2);
    expect(credentials.describe()?.expiresAt).to.equal(clock.now() + 54 * MINUTE_MS);
  });

  it("that are due and cannot be renewed say so, with the end of those in use", async () => {
    await using host = await startInstance();
    const { credentials, clock, fake } = host;
    await credentials.provider();
    const expiresAt = credentials.describe()?.expiresAt;
    await clock.advance(56 * MINUTE_MS);
    fake.onRequest(() => ({ status: 403 }));
    await credentials.renewIfDue();
    expect(credentials.lastError()).not.to.equal(undefined);
    expect(credentials.describe()?.expiresAt).to.equal(expiresAt);
    fake.onRequest(() => undefined);
    fake.give(keyOf("ASIA2", clock));
    await clock.advance(2 * MINUTE_MS);
    await credentials.renewIfDue();
    expect(credentials.lastError()).to.equal(undefined);
  });

  it("that may be replaced at any time have no end that one could tell of", async () => {
    await using folder = await mkdtempDisposable(`${tmpdir()}/s3oa-renew-`);
    const file = `${folder.path}/credentials`;
    const clock = new HastyClock();
    await writeFile(file, profileText("default", "ASIA1"));
    const credentials = credentialsOf(`shared-file:${file}`, { clock });
    await credentials.provider();
    expect(credentials.describe()).to.include({ accessKeyId: "SIA1", expiresAt: undefined });
    await writeFile(file, profileText("default", "ASIA2"));
    await clock.advance(4 * MINUTE_MS);
    await credentials.renewIfDue();
    expect(credentials.describe()).to.include({ accessKeyId: "SIA2", expiresAt: undefined });
  });

  it("are not asked for on every request while there are none", async () => {
    await using host = await startInstance();
    const { credentials, clock, fake } = host;
    fake.onRequest(() => ({ status: 403 }));
    for (let request = 0; request < 10; request += 1) await refusalOf(credentials);
    expect(fake.requests).to.have.length(1);
    await clock.advance(1_000);
    await refusalOf(credentials);
    await clock.advance(1_000);
    await refusalOf(credentials);
    expect(fake.requests, "the second pause is longer").to.have.length(2);
    await clock.advance(MINUTE_MS);
    fake.onRequest(() => undefined);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIA1");
  });

  it("that a service refuses are replaced at once, by one read for all", async () => {
    await using host = await startInstance();
    const { credentials, clock, fake } = host;
    const refused = await credentials.provider();
    fake.give(keyOf("ASIA2", clock));
    await Promise.all(Array.from({ length: 10 }, () => credentials.renew(refused)));
    await credentials.renew(refused);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIA2");
    expect(host.reads()).to.equal(2);
  });

  it("that a service refuses and that are given again are not asked for without end", async () => {
    await using host = await startInstance();
    const { credentials, clock, fake } = host;
    for (let request = 0; request < 10; request += 1) {
      await credentials.renew(await credentials.provider());
    }
    expect(host.reads()).to.equal(2);
    await clock.advance(10_000);
    fake.give(keyOf("ASIA2", clock));
    await credentials.renew(await credentials.provider());
    expect(await accessKeyIdOf(credentials)).to.equal("ASIA2");
  });

  it("that a service refuses are not used again when there are no others", async () => {
    await using folder = await mkdtempDisposable(`${tmpdir()}/s3oa-renew-`);
    const file = `${folder.path}/credentials`;
    const clock = new HastyClock();
    await writeFile(file, profileText("default", "ASIA1"));
    const credentials = credentialsOf(`shared-file:${file}`, { clock });
    const refused = await credentials.provider();
    await rm(file);
    await credentials.renew(refused);
    expect((await refusalOf(credentials)).message).to.include("ENOENT");
    await writeFile(file, profileText("default", "ASIA2"));
    await clock.advance(1_000);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIA2");
  });

  it("that never end are renewed all the same when a service refuses them", async () => {
    const command = `process:printf '{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"s"}' "$(date +AKIA%N)"`;
    const credentials = credentialsOf(command);
    const first = await credentials.provider();
    expect(await credentials.provider()).to.equal(first);
    await credentials.renew(first);
    expect((await credentials.provider()).accessKeyId).not.to.equal(first.accessKeyId);
  });
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
