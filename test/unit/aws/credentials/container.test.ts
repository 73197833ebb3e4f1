import { writeFileSync } from "node:fs";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import {
  accessKeyIdOf,
  credentialsOf,
  HastyClock,
  keyOf,
  MINUTE_MS,
  refusalOf,
  SECRET,
} from "../../../support/credentials.ts";
import {
  CONTAINER_PATH,
  type FakeService,
  startFakeContainer,
} from "../../../support/fake-credential-services.ts";

/** A pod with its endpoint and its token file, which the kubelet replaces. */
async function startPod() {
  const clock = new HastyClock();
  const folder = await mkdtempDisposable(`${tmpdir()}/s3oa-container-`);
  let token = `${SECRET}-first`;
  const file = `${folder.path}/token`;
  await writeFile(file, token);
  const key = keyOf("ASIACONTAINER1", clock);
  const fake = await startFakeContainer({ key, token: () => token });
  return {
    clock,
    fake,
    file,
    env: envOf(fake, { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file }),
    rotate(next: string) {
      token = `${SECRET}-${next}`;
      writeFileSync(file, `${token}\n`);
    },
    async [Symbol.asyncDispose]() {
      await fake[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

const envOf = (fake: FakeService, more: Record<string, string> = {}) => ({
  AWS_CONTAINER_CREDENTIALS_FULL_URI: fake.endpoint + CONTAINER_PATH,
  ...more,
});

describe("credentials of the container", () => {
  it("come with the token of a file, and where they come from is told", async () => {
    await using pod = await startPod();
    const credentials = credentialsOf("container", pod);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIACONTAINER1");
    expect(credentials.describe()).to.deep.equal({
      source: `container endpoint ${new URL(pod.fake.endpoint).host}`,
      expiresAt: pod.clock.now() + 60 * MINUTE_MS,
      accessKeyId: "NER1",
    });
  });

  it("come with the token that the file holds when they are replaced", async () => {
    await using pod = await startPod();
    const credentials = credentialsOf("container", pod);
    await credentials.provider();
    pod.rotate("second");
    await pod.clock.advance(59.5 * MINUTE_MS);
    pod.fake.give(keyOf("ASIACONTAINER2", pod.clock));
    expect(await accessKeyIdOf(credentials)).to.equal("ASIACONTAINER2");
  });

  it("come with the file's token of now also when the endpoint was in trouble before", async () => {
    await using pod = await startPod();
    pod.fake.onRequest((_, index) => {
      if (index > 1) return undefined;
      pod.rotate("second");
      return { status: 500 };
    });
    expect(await accessKeyIdOf(credentialsOf("container", pod))).to.equal("ASIACONTAINER1");
    expect(pod.fake.requests.at(-1)?.headers.authorization).to.equal(`${SECRET}-second`);
  });

  it("come with the token of the variable where there is no file", async () => {
    await using pod = await startPod();
    const env = envOf(pod.fake, { AWS_CONTAINER_AUTHORIZATION_TOKEN: `${SECRET}-first` });
    expect(await accessKeyIdOf(credentialsOf("container", { ...pod, env }))).to.equal(
      "ASIACONTAINER1",
    );
  });

  for (const answer of [{ status: 500 }, { status: 429 }, "hang"] as const) {
    it(`come in spite of trouble that passes: ${JSON.stringify(answer)}`, async () => {
      await using pod = await startPod();
      pod.fake.onRequest((_, index) => (index === 0 ? answer : undefined));
      expect(await accessKeyIdOf(credentialsOf("container", pod))).to.equal("ASIACONTAINER1");
    });
  }

  it("do not come with a token that the endpoint refuses; it is asked once", async () => {
    await using pod = await startPod();
    await writeFile(pod.file, `${SECRET}-wrong`);
    const error = await refusalOf(credentialsOf("container", pod));
    expect(error.message).to.include("gives none: status 401");
    expect(pod.fake.requests).to.have.length(1);
  });

  it("do not come with a token that no header can hold", async () => {
    await using pod = await startPod();
    await writeFile(pod.file, `${SECRET}\r\nX-Other: 1`);
    expect((await refusalOf(credentialsOf("container", pod))).message).to.include("gives none");
    expect(pod.fake.requests).to.deep.equal([]);
  });

  it("do not come without the token file that is named", async () => {
    await using pod = await startPod();
    const env = { ...pod.env, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: `${pod.file}-absent` };
    const error = await refusalOf(credentialsOf("container", { ...pod, env }));
    expect(error.message).to.include(`${pod.file}-absent`).and.include("ENOENT");
  });

  for (const body of [`{"SecretAccessKey":"${SECRET}`, JSON.stringify({ Token: SECRET })]) {
    it(`are not taken from ${body.replace(SECRET, "…")}`, async () => {
      await using pod = await startPod();
      pod.fake.onRequest(() => ({ status: 200, body }));
      const error = await refusalOf(credentialsOf("container", pod));
      expect(error.message).to.include("something else than credentials");
    });
  }

  it("do not come by a redirection, which would take the token elsewhere", async () => {
    await using pod = await startPod();
    pod.fake.onRequest(() => ({ status: 302 }));
    expect((await refusalOf(credentialsOf("container", pod))).message).to.include("status 302");
  });

  const ADDRESSES: readonly (readonly [uri: string, says: string])[] = [
    ["http://example.com/x", "neither https nor"],
    ["http://127.0.0.1.example.com/x", "neither https nor"],
    ["http://169.254.169.254/x", "neither https nor"],
    ["ftp://127.0.0.1/x", "neither https nor"],
    ["/x", "neither https nor"],
    ["", "is set"],
    // These are allowed; nobody is there.
    ["http://127.0.0.1:1/x", "ECONNREFUSED"],
    ["http://localhost:1/x", "ECONNREFUSED"],
    ["https://127.0.0.1:1/x", "ECONNREFUSED"],
  ];
  for (const [uri, says] of ADDRESSES) {
    it(`of ${JSON.stringify(uri)} are refused: ${says}`, async () => {
      const env = {
        AWS_CONTAINER_CREDENTIALS_FULL_URI: uri,
        AWS_CONTAINER_AUTHORIZATION_TOKEN: SECRET,
      };
      expect((await refusalOf(credentialsOf("container", { env }))).message).to.include(says);
    });
  }
});
