import { chmod, chown, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { startFakeMetadata } from "../support/fake-metadata.ts";
import { makeHost, recordsOf, type TestHost } from "../support/host.ts";
import { isRootOr } from "../support/not-run.ts";

const INSTANCE = "i-0abcdef0123456789";
const NOBODY = 65_534;

describe("who the host is", () => {
  let aws: LocalAws;

  before(async () => {
    aws = await startLocalAws();
  });

  after(() => aws.stop());

  /** Takes out of the bootstrap file what the metadata are to say. */
  async function leaveOpen(host: TestHost): Promise<void> {
    const text = await readFile(host.bootstrap, "utf8");
    await writeFile(host.bootstrap, text.replace(/^(fleet|hostId):.*\n/gm, ""));
  }

  it("comes from the instance metadata, fleet and region too, and is remembered without them", async () => {
    await using host = await makeHost(aws);
    await using metadata = await startFakeMetadata({
      "instance-id": INSTANCE,
      "placement/region": `${aws.env["AWS_REGION"]}`,
      "tags/instance/s3-offload-agent:fleet": host.fleet,
    });
    await leaveOpen(host);
    const env = {
      ...metadata.env,
      AWS_EC2_METADATA_DISABLED: undefined,
      AWS_REGION: undefined,
      AWS_DEFAULT_REGION: undefined,
    };
    await host.write("one.csv");
    const first = await host.run(["sweep", "--json"], { env });
    expect(first.exitCode, first.stderr).to.equal(0);
    const removed = recordsOf(first.stdout).find(({ event }) => event === "file.removed");
    expect(removed).to.include({ key: `${INSTANCE}/one.csv`, host: INSTANCE, fleet: host.fleet });

    // From now on they say nothing: the token is refused.
    metadata.faults.push(403, 403, 403, 403);
    await host.write("two.csv");
    const second = await host.run(["sweep", "--json"], { env });
    expect(second.exitCode, second.stderr).to.equal(0);
    const next = recordsOf(second.stdout).find(({ event }) => event === "file.removed");
    expect(next).to.include({ key: `${INSTANCE}/two.csv`, fleet: host.fleet });
    const doctor = await host.run(["doctor", "--json"], { env });
    expect(doctor.stdout).to.include("host.recalled");

    const asked = metadata.requests.length;
    const { stdout } = await host.run(["status", "--json"], { env });
    expect(JSON.parse(stdout)).to.include({ host: INSTANCE, fleet: host.fleet });
    expect(metadata.requests).to.have.length(asked);
  });

  it("is not found out by a look: config show and a dry run leave no trace", async () => {
    await using host = await makeHost(aws);
    for (const args of [
      ["config", "show"],
      ["sweep", "--dry-run"],
    ]) {
      expect((await host.run(args)).exitCode).to.equal(0);
    }
    await host.run(["doctor"]);
    const identity = join(host.folder, "state/identity.json");
    expect(await readFile(identity).catch((error) => error.code)).to.equal("ENOENT");
    expect((await host.run(["sweep"])).exitCode).to.equal(0);
    expect(await readFile(identity, "utf8")).to.include('"host-1"');
  });

  it("is no matter while others could write the bootstrap file: every command ends with 2", async () => {
    if (!isRootOr("a service's bootstrap file")) return;
    await using host = await makeHost(aws);
    await chmod(host.folder, 0o777);
    for (const args of [
      ["run"],
      ["sweep"],
      ["sweep", "--dry-run"],
      ["status"],
      ["config", "show"],
    ]) {
      const { exitCode, stderr } = await host.run(args);
      expect(exitCode, args.join(" ")).to.equal(2);
      expect(stderr).to.include(`the folder ${host.folder} on the way`).and.include("(mode 0777)");
      expect(stderr).to.include(`way out: chmod g-w ${host.folder}`);
    }
    await chmod(host.folder, 0o755);
    await chmod(host.bootstrap, 0o646);
    await chown(host.watched, NOBODY, NOBODY);
    const service = { uid: NOBODY, env: { INVOCATION_ID: "0".repeat(32) } };
    const refused = await host.run(["sweep", "--dry-run"], service);
    expect(refused.exitCode).to.equal(2);
    expect(refused.stderr).to.include("it is writable by everybody (mode 0646)");
    await chmod(host.bootstrap, 0o644);
    expect((await host.run(["sweep", "--dry-run"], service)).exitCode).to.equal(0);
  });
});
