import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import {
  FLEET_TAG,
  type Host,
  type HostQuestion,
  resolveHost,
  saveHost,
} from "../../../src/host/resolve-host.ts";
import { identityFile, readIdentity } from "../../../src/host/saved-identity.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { AgentError } from "../../../src/lib/errors.ts";
import { startFakeMetadata } from "../../support/fake-metadata.ts";
import { type MachineFiles, makeMachine } from "../../support/machine-files.ts";

const INSTANCE = "i-0abcdef0123456789";
const OTHER_INSTANCE = "i-0abcdef0123456780";
const MANAGED = "mi-0123456789abcdef0";
const REGISTRATION = "/var/lib/amazon/ssm/registration";
const ASSET_TAG = "/sys/class/dmi/id/board_asset_tag";
const VENDOR = "/sys/class/dmi/id/sys_vendor";

const clock = { ...systemClock, sleep: async () => undefined };

/** Asks who a machine is: in the fleet `web`, and never the SDK's files of whoever runs the tests. */
async function ask(machine: MachineFiles, question: Partial<HostQuestion> = {}): Promise<Host> {
  const { env = {}, ...rest } = question;
  return await resolveHost({
    hostId: undefined,
    fleet: "web",
    region: undefined,
    bootstrapFile: "/etc/agent.yaml",
    env: { HOME: machine.root, ...env },
    stateDirectory: machine.stateDirectory,
    mayAsk: true,
    signal: new AbortController().signal,
    clock,
    systemRoot: machine.root,
    ...rest,
  });
}

/** One start of an agent: it asks, and saves what it hears. */
async function start(machine: MachineFiles, question: Partial<HostQuestion> = {}): Promise<Host> {
  const host = await ask(machine, question);
  expect(await saveHost(machine.stateDirectory, host)).to.equal(undefined);
  return host;
}

async function refusal(asking: Promise<unknown>): Promise<AgentError> {
  try {
    await asking;
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error("was not refused");
}

const kindsOf = ({ findings }: Host) => findings.map(({ kind }) => kind);

const registration = JSON.stringify({ ManagedInstanceID: MANAGED, Region: "eu-west-3" });

/** What keeps the agent from asking. */
const SILENT = { AWS_EC2_METADATA_DISABLED: "true" };

describe("the host id", () => {
  it("is what somebody wrote down, and then nobody is asked", async () => {
    await using fake = await startFakeMetadata({ "instance-id": INSTANCE });
    await using machine = await makeMachine({ [REGISTRATION]: registration });
    const question = { hostId: "printer", region: "eu-west-1", env: fake.env };
    const host = await ask(machine, question);
    expect(host).to.include({ hostId: "printer", idSource: "explicit", region: "eu-west-1" });
    expect(fake.requests).to.deep.equal([]);
  });

  it("is the instance id, before the registration with SSM and the host name", async () => {
    await using fake = await startFakeMetadata({ "instance-id": INSTANCE });
    await using machine = await makeMachine({ [REGISTRATION]: registration });
    expect(await ask(machine, { env: fake.env })).to.include({ hostId: INSTANCE, idSource: "ec2" });
  });

  it("is the managed instance id, before the host name", async () => {
    await using machine = await makeMachine({ [REGISTRATION]: registration });
    const host = await ask(machine);
    expect(host).to.include({ hostId: MANAGED, idSource: "ssm", region: "eu-west-3" });
    expect(host.findings).to.deep.equal([]);
  });

  it("is the managed instance id of a file that the unit hands on, if root's cannot be read", async () => {
    await using machine = await makeMachine({ "/run/credentials/ssm-registration": registration });
    // A loop cannot be read by anybody, root neither.
    await mkdir(join(machine.root, "var/lib/amazon/ssm"), { recursive: true });
    await symlink("registration", join(machine.root, REGISTRATION));
    const unit = { CREDENTIALS_DIRECTORY: "/run/credentials" };
    expect(await ask(machine, { env: unit })).to.include({ hostId: MANAGED, idSource: "ssm" });
    const alone = await ask(machine);
    expect(alone).to.include({ hostId: "host-7", idSource: "hostname" });
    expect(alone.findings[0]).to.include({ kind: "host.unsure" });
    expect(alone.findings[0]?.message).to.include(`${REGISTRATION}, cannot be read`);
    expect(alone.findings[0]?.wayOut).to.include("LoadCredential=ssm-registration:");
  });

  for (const text of [
    "{",
    "null",
    '{"ManagedInstanceID":"i-0abcdef0123456789"}',
    '{"Region":"x"}',
  ]) {
    it(`is not taken from the registration ${text}`, async () => {
      await using machine = await makeMachine({ [REGISTRATION]: text });
      const host = await ask(machine);
      expect(host).to.include({ hostId: "host-7", idSource: "hostname" });
    });
  }

  it("is the host name elsewhere, and nobody is asked", async () => {
    await using machine = await makeMachine();
    const host = await ask(machine);
    expect(host).to.include({ hostId: "host-7", idSource: "hostname", region: undefined });
    expect(host.findings).to.deep.equal([]);
  });

  for (const name of ["localhost", "localhost.localdomain", "", "(none)", ".", "..", "a b"]) {
    it(`is not the host name ${JSON.stringify(name)}`, async () => {
      await using machine = await makeMachine({ "/proc/sys/kernel/hostname": name });
      const { message, hint, exitCode } = await refusal(ask(machine));
      expect(exitCode).to.equal(2);
      expect(message).to.include(JSON.stringify(name));
      expect(hint).to.include("hostId");
    });
  }

  it("is taken from the one source that is asked for", async () => {
    await using fake = await startFakeMetadata({ "instance-id": INSTANCE });
    await using machine = await makeMachine({ [REGISTRATION]: registration });
    const of = async (hostId: string) => await ask(machine, { hostId, env: fake.env });
    expect(await of("ec2")).to.include({ hostId: INSTANCE, idSource: "ec2" });
    expect(await of("ssm")).to.include({ hostId: MANAGED, idSource: "ssm" });
    expect(await of("hostname")).to.include({ hostId: "host-7", idSource: "hostname" });
    const byMachine = await of("machine-id");
    expect(byMachine.idSource).to.equal("machine-id");
    expect(byMachine.hostId).to.match(/^[0-9a-f]{32}$/);
    expect(byMachine.hostId).not.to.equal(
      (await readFile(join(machine.root, "etc/machine-id"), "utf8")).trim(),
    );
  });

  it("is not to be had if the one source asked for has none", async () => {
    await using machine = await makeMachine({ "/etc/machine-id": "" });
    const of = async (hostId: string) => await refusal(ask(machine, { hostId, env: SILENT }));
    expect(await of("ec2")).to.include({ exitCode: 3 });
    expect((await of("ec2")).message).to.include("AWS_EC2_METADATA_DISABLED");
    expect(await of("ssm")).to.include({ exitCode: 2 });
    expect((await of("ssm")).hint).to.include("amazon-ssm-agent -register");
    expect(await of("machine-id")).to.include({ exitCode: 2 });
  });
});

describe("the host id of an EC2 instance whose metadata are silent", () => {
  /** On Xen, where the firmware does not say the id. */
  const xen = () => makeMachine({ "/sys/hypervisor/uuid": "ec2e1916-9099" });

  it("is the one saved before, and that is told", async () => {
    await using fake = await startFakeMetadata({ "instance-id": INSTANCE });
    await using machine = await xen();
    await start(machine, { env: fake.env });
    fake.faults.push(403);
    const host = await start(machine, { env: fake.env });
    expect(host).to.include({ hostId: INSTANCE, idSource: "ec2" });
    expect(kindsOf(host)).to.deep.equal(["host.recalled"]);
    expect(host.findings[0]?.message).to.include("403").and.include(INSTANCE);
    expect(kindsOf(await ask(machine, { env: SILENT }))).to.deep.equal(["host.recalled"]);
  });

  it("is not the one that another machine saved in a cloned state directory", async () => {
    await using fake = await startFakeMetadata({ "instance-id": INSTANCE });
    await using machine = await xen();
    await start(machine, { env: fake.env });
    await machine.write("/sys/hypervisor/uuid", "ec2e1916-9100");
    const host = await ask(machine, { env: SILENT });
    expect(host).to.include({ hostId: "host-7", idSource: "hostname" });
    expect(kindsOf(host)).to.deep.equal(["host.unsure"]);
  });

  it("is the firmware's word, where nothing was saved", async () => {
    await using machine = await makeMachine({ [VENDOR]: "Amazon EC2", [ASSET_TAG]: INSTANCE });
    const host = await ask(machine, { env: SILENT });
    expect(host).to.include({ hostId: INSTANCE, idSource: "ec2" });
  });

  it("is the host name, with a warning, where nobody knows better", async () => {
    await using machine = await xen();
    const host = await ask(machine, { env: SILENT });
    expect(host).to.include({ hostId: "host-7", idSource: "hostname" });
    expect(kindsOf(host)).to.deep.equal(["host.unsure"]);
  });

  it("becomes the instance id as soon as they speak, and that is told", async () => {
    await using fake = await startFakeMetadata({ "instance-id": INSTANCE });
    await using machine = await xen();
    await start(machine, { env: SILENT });
    const host = await start(machine, { env: fake.env });
    expect(host).to.include({ hostId: INSTANCE, idSource: "ec2" });
    expect(kindsOf(host)).to.deep.equal(["host.renamed"]);
    expect(host.findings[0]?.message).to.include("host-7");
    expect(kindsOf(await ask(machine, { env: fake.env }))).to.deep.equal([]);
  });

  it("is the saved one for a command that asks nobody, without a word", async () => {
    await using fake = await startFakeMetadata({
      "instance-id": INSTANCE,
      "placement/region": "a",
    });
    await using machine = await xen();
    await start(machine, { env: fake.env });
    const asked = fake.requests.length;
    const host = await ask(machine, { env: fake.env, mayAsk: false });
    expect(host).to.include({ hostId: INSTANCE, idSource: "ec2", region: "a" });
    expect(host.findings).to.deep.equal([]);
    expect(fake.requests).to.have.length(asked);
  });
});

describe("the host id of before", () => {
  it("stands while the registration with SSM cannot be read", async () => {
    await using machine = await makeMachine({ [REGISTRATION]: registration });
    await start(machine);
    const unit = { CREDENTIALS_DIRECTORY: "/run/c" };
    await mkdir(join(machine.root, "run/c"), { recursive: true });
    await symlink("ssm-registration", join(machine.root, "run/c/ssm-registration"));
    const host = await ask(machine, { env: unit });
    expect(host).to.include({ hostId: MANAGED, idSource: "ssm" });
    expect(kindsOf(host)).to.deep.equal(["host.recalled"]);
  });

  it("stands while DHCP has given no host name yet; a new name is a new host", async () => {
    await using machine = await makeMachine();
    await start(machine);
    await machine.write("/proc/sys/kernel/hostname", "localhost");
    const early = await start(machine);
    expect(early.hostId).to.equal("host-7");
    expect(kindsOf(early)).to.deep.equal(["host.recalled"]);
    await machine.write("/proc/sys/kernel/hostname", "host-8");
    const renamed = await start(machine);
    expect(renamed.hostId).to.equal("host-8");
    expect(kindsOf(renamed)).to.deep.equal(["host.renamed"]);
    expect(kindsOf(await start(machine))).to.deep.equal([]);
  });

  for (const text of ["", "{", "null", '{"hostId":"..","idSource":"ec2","machine":"0"}']) {
    it(`is forgotten if its file says ${JSON.stringify(text)}, and is saved anew`, async () => {
      await using machine = await makeMachine();
      await mkdir(machine.stateDirectory);
      await writeFile(identityFile(machine.stateDirectory), text);
      const host = await start(machine);
      expect(host.findings).to.deep.equal([]);
      expect(await readIdentity(machine.stateDirectory)).to.include({ hostId: "host-7" });
    });
  }

  it("that cannot be saved is a finding, and no failure", async () => {
    await using machine = await makeMachine();
    await writeFile(machine.stateDirectory, "");
    const finding = await saveHost(machine.stateDirectory, await ask(machine));
    expect(finding).to.include({ kind: "host.unsaved" });
    expect(finding?.message).to.include(machine.stateDirectory);
  });

  it("is written only when it has changed", async () => {
    await using machine = await makeMachine();
    await start(machine);
    expect((await ask(machine)).unsaved).to.equal(undefined);
    await machine.write("/proc/sys/kernel/hostname", "host-8");
    expect((await ask(machine)).unsaved).to.include({ hostId: "host-8" });
  });
});

describe("two machines of one image", () => {
  const asClone = (machine: MachineFiles) =>
    machine.write("/sys/class/net/eth0/address", "02:00:00:00:00:02");

  for (const hostId of ["web-1", "hostname", "machine-id", "ssm"]) {
    it(`with one id (${hostId}) are told apart, at every start until that is mended`, async () => {
      await using machine = await makeMachine({ [REGISTRATION]: registration });
      const original = await start(machine, { hostId });
      await asClone(machine);
      for (let restart = 1; restart <= 2; restart += 1) {
        const clone = await start(machine, { hostId });
        expect(clone.hostId).to.equal(original.hostId);
        expect(clone.machine).not.to.equal(original.machine);
        expect(kindsOf(clone)).to.deep.equal(["host.cloned"]);
        expect(clone.findings[0]?.message)
          .to.include(original.machine)
          .and.include(clone.machine)
          .and.include(original.hostId);
        expect(clone.findings[0]?.wayOut).to.include(identityFile(machine.stateDirectory));
      }
      const mended = await start(machine, { hostId: "web-2" });
      expect(mended.findings).to.deep.equal([]);
      expect(kindsOf(await start(machine, { hostId: "web-2" }))).to.deep.equal([]);
    });
  }

  it("are two instances to EC2", async () => {
    await using fake = await startFakeMetadata({ "instance-id": INSTANCE });
    await using machine = await makeMachine({ [VENDOR]: "Amazon EC2", [ASSET_TAG]: INSTANCE });
    await start(machine, { env: fake.env });
    fake.values.set("instance-id", OTHER_INSTANCE);
    await machine.write(ASSET_TAG, OTHER_INSTANCE);
    const clone = await start(machine, { env: fake.env });
    expect(clone.hostId).to.equal(OTHER_INSTANCE);
    expect(clone.findings).to.deep.equal([]);
  });
});

describe("the fleet", () => {
  const asked = { fleet: undefined, hostId: "h" };

  it("is the instance's tag where nothing else says it", async () => {
    await using fake = await startFakeMetadata({ [`tags/instance/${FLEET_TAG}`]: "batch" });
    await using machine = await makeMachine();
    expect((await ask(machine, { ...asked, env: fake.env })).fleet).to.equal("batch");
    expect((await ask(machine, { fleet: "web", env: fake.env })).fleet).to.equal("web");
  });

  it("is the one saved before while the metadata are silent, and that is told", async () => {
    await using fake = await startFakeMetadata({ [`tags/instance/${FLEET_TAG}`]: "batch" });
    await using machine = await makeMachine({ [VENDOR]: "Amazon EC2" });
    await start(machine, { ...asked, env: fake.env });
    const host = await start(machine, { ...asked, env: SILENT });
    expect(host.fleet).to.equal("batch");
    expect(kindsOf(host)).to.deep.equal(["host.recalled"]);
    fake.values.clear();
    expect(await refusal(ask(machine, { ...asked, env: fake.env }))).to.include({ exitCode: 2 });
  });

  const table: readonly (readonly [string, Readonly<Record<string, string>>, string, string])[] = [
    ["tags are not in the metadata", {}, "not in its metadata", "--instance-metadata-tags enabled"],
    ["there is no such tag", { "tags/instance": "Name" }, "no tag", "aws ec2 create-tags"],
    [
      "the tag is no name",
      { [`tags/instance/${FLEET_TAG}`]: "a/b" },
      'value was "a/b"',
      "Mend the tag",
    ],
  ];
  for (const [what, values, says, wayOut] of table) {
    it(`is missing since ${what}: that is told`, async () => {
      await using fake = await startFakeMetadata(values);
      await using machine = await makeMachine();
      const error = await refusal(ask(machine, { ...asked, env: fake.env }));
      expect(error.exitCode).to.equal(2);
      expect(error.message).to.include(says);
      expect(error.hint).to.include(wayOut).and.include("`fleet");
    });
  }

  it("is missing elsewhere: the file is named, and no metadata", async () => {
    await using machine = await makeMachine();
    const { message } = await refusal(ask(machine, asked));
    expect(message).to.equal(
      "fleet is required and not set: neither in /etc/agent.yaml nor by S3_OFFLOAD_FLEET.",
    );
  });
});

describe("the region", () => {
  const PROFILE = "[default]\nregion = eu-south-1\n[profile other]\nregion=eu-south-2\n";
  const metadata = () => startFakeMetadata({ "placement/region": "eu-north-1" });

  it("is the instance's if neither bootstrap, environment nor profile say one", async () => {
    await using fake = await metadata();
    await using machine = await makeMachine({ "/.aws/config": "[default]\noutput = json\n" });
    const question = { hostId: "h", env: fake.env };
    expect((await ask(machine, question)).region).to.equal("eu-north-1");
    expect((await ask(machine, { ...question, region: "eu-west-1" })).region).to.equal("eu-west-1");
    const asked = fake.requests.length;
    // Undefined: the SDK finds it by itself.
    const env = { ...fake.env, AWS_REGION: "eu-west-2" };
    expect((await ask(machine, { hostId: "h", env })).region).to.equal(undefined);
    expect(fake.requests).to.have.length(asked);
  });

  const profiles: readonly (readonly [Readonly<Record<string, string>>, string, boolean])[] = [
    [{}, "/.aws/config", true],
    [{}, "/.aws/credentials", true],
    [{ AWS_PROFILE: "other" }, "/.aws/config", true],
    [{ AWS_PROFILE: "third" }, "/.aws/config", false],
    [{}, "/.aws/elsewhere", false],
  ];
  for (const [env, path, isProfiles] of profiles) {
    it(`is ${isProfiles ? "" : "not "}the profile's with ${path} and ${JSON.stringify(env)}`, async () => {
      await using fake = await metadata();
      await using machine = await makeMachine({ [path]: PROFILE });
      const { region } = await ask(machine, {
        hostId: "h",
        env: { HOME: machine.root, ...fake.env, ...env },
      });
      expect(region).to.equal(isProfiles ? undefined : "eu-north-1");
    });
  }

  it("is the one saved before while the metadata are silent", async () => {
    await using fake = await metadata();
    await using machine = await makeMachine({ [VENDOR]: "Amazon EC2" });
    await start(machine, { hostId: "h", env: fake.env });
    expect((await ask(machine, { hostId: "h", env: SILENT })).region).to.equal("eu-north-1");
  });
});
