import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "chai";
import { InstanceMetadata, MetadataError } from "../../../src/host/instance-metadata.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { type FakeMetadata, startFakeMetadata } from "../../support/fake-metadata.ts";

const ID = "i-0abcdef0123456789";

/** The real clock, but for pauses. */
const clock = { ...systemClock, sleep: async () => undefined };

function askAt(
  { env }: Pick<FakeMetadata, "env">,
  signal = new AbortController().signal,
): InstanceMetadata {
  return new InstanceMetadata({ env, clock, signal, answerMsMax: 50 });
}

async function failureOf(asking: Promise<unknown>): Promise<MetadataError> {
  try {
    await asking;
  } catch (error) {
    if (error instanceof MetadataError) return error;
    throw error;
  }
  throw new Error("it was told");
}

describe("the instance metadata", () => {
  it("are read with one token for all values, which is asked for first", async () => {
    await using fake = await startFakeMetadata({ "instance-id": ID, "placement/region": "eu-1" });
    using metadata = askAt(fake);
    expect(await metadata.read("instance-id")).to.equal(ID);
    expect(await metadata.read("placement/region")).to.equal("eu-1");
    expect(fake.requests).to.deep.equal([
      "PUT /latest/api/token",
      "GET /latest/meta-data/instance-id",
      "GET /latest/meta-data/placement/region",
    ]);
  });

  it("say that a thing is not there", async () => {
    await using fake = await startFakeMetadata();
    using metadata = askAt(fake);
    expect(await metadata.read("tags/instance")).to.equal(undefined);
  });

  it("are asked again after silence, a broken connection and trouble of the service", async () => {
    for (const fault of ["silence", "disconnect", 500, 503, 429] as const) {
      await using fake = await startFakeMetadata({ "instance-id": ID });
      fake.faults.push(fault, fault);
      using metadata = askAt(fake);
      expect(await metadata.read("instance-id"), `${fault}`).to.equal(ID);
    }
  });

  it("are never asked without a token: version 1 is not spoken", async () => {
    for (const fault of ["silence", "disconnect", 400, 403, 404, 405, 503] as const) {
      await using fake = await startFakeMetadata({ "instance-id": ID });
      fake.faults.push(fault, fault, fault);
      using metadata = askAt(fake);
      await failureOf(metadata.read("instance-id"));
      expect(new Set(fake.requests), `${fault}`).to.deep.equal(new Set(["PUT /latest/api/token"]));
    }
  });

  it("that gave no token are not asked for the next value", async () => {
    await using fake = await startFakeMetadata({ "instance-id": ID });
    fake.faults.push(403);
    using metadata = askAt(fake);
    await failureOf(metadata.read("instance-id"));
    await failureOf(metadata.read("placement/region"));
    expect(fake.requests).to.have.length(1);
  });

  it("whose token gets lost: the hop limit is named", async () => {
    await using fake = await startFakeMetadata();
    fake.faults.push("silence", "silence", "silence");
    using metadata = askAt(fake);
    const { message, hint } = await failureOf(metadata.read("instance-id"));
    expect(message).to.include(fake.endpoint).and.include("no answer");
    expect(hint).to.include("--http-put-response-hop-limit 2");
  });

  it("that are switched off: the option is named", async () => {
    await using fake = await startFakeMetadata();
    fake.faults.push(403);
    using metadata = askAt(fake);
    const { message, hint } = await failureOf(metadata.read("instance-id"));
    expect(message).to.include("403");
    expect(hint).to.include("--http-endpoint enabled");
  });

  it("do not pass through a proxy of the environment", async () => {
    await using fake = await startFakeMetadata({ "instance-id": ID });
    await using proxy = await startFakeMetadata();
    const module = import.meta.resolve("../../../src/host/instance-metadata.ts");
    const script = `
      import { InstanceMetadata } from ${JSON.stringify(module)};
      const signal = new AbortController().signal;
      const metadata = new InstanceMetadata({ env: process.env, clock: {}, signal });
      process.stdout.write(await metadata.read("instance-id"));
      metadata[Symbol.dispose]();`;
    // Node itself would send everything through it.
    const env = { ...fake.env, NODE_USE_ENV_PROXY: "1", HTTP_PROXY: proxy.endpoint };
    const node = [process.execPath, ["--input-type=module", "-e", script]] as const;
    const { stdout } = await promisify(execFile)(...node, { env });
    expect(stdout).to.equal(ID);
    expect(proxy.requests).to.deep.equal([]);
  });

  it("are no longer waited for once the agent is asked to stop", async () => {
    await using fake = await startFakeMetadata();
    fake.faults.push("silence");
    const stop = new AbortController();
    using metadata = askAt(fake, stop.signal);
    stop.abort(new Error("stopped"));
    const thrown = await metadata.read("instance-id").catch((error: unknown) => error);
    expect(thrown).to.have.property("message", "stopped");
  });

  it("end with an answer that is too long", async () => {
    await using fake = await startFakeMetadata({ "instance-id": "i".repeat(5_000) });
    using metadata = askAt(fake);
    expect((await failureOf(metadata.read("instance-id"))).message).to.include("too long");
  });

  for (const endpoint of ["169.254.169.254", "https://x", "file:///etc"]) {
    it(`are not looked for at ${endpoint}`, () => {
      const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint };
      expect(() => askAt({ env })).to.throw(MetadataError, endpoint);
    });
  }
});
