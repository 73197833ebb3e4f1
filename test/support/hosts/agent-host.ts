import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, rename } from "node:fs/promises";
import { basename } from "node:path";
import { text } from "node:stream/consumers";
import { makeOperator, type Operator } from "../../../tools/demo/operator.ts";
import type { LocalAws } from "../../../tools/local-aws.ts";
import { type FakeS3, startFakeS3 } from "../fake-s3.ts";
import { endAtLast } from "../leftover-children.ts";
import { Oracle, type Verdict } from "../oracle.ts";
import type { ImageName } from "./images.ts";
import type { AgentRecord } from "./journal.ts";
import { fastPackages } from "./packages.ts";
import { SystemdHost, type WrittenAs } from "./systemd-host.ts";

export const UNIT = "s3-offload-agent.service";

/** The allowed root of a host that nobody has told of another one. */
export const SPOOL = "/var/spool/s3-offload";

/**
 * A host with the package of this checkout unpacked and configured as in the image build of a fleet:
 * by dpkg in a root that is not booted. A root to make hosts of, which costs a copy each.
 */
export async function installedHost(image: Exclude<ImageName, "rpm">): Promise<SystemdHost> {
  const { deb } = await fastPackages("0.2.0");
  const host = await SystemdHost.make(image);
  try {
    const inside = `/var/tmp/${basename(deb)}`;
    await copyFile(deb, host.path(inside));
    const child = endAtLast(
      spawn(
        "unshare",
        [
          ...["--mount", "--pid", "--fork", "--kill-child=KILL", "sh", "-ec"],
          'mount -t proc proc "$1/proc"; exec chroot "$1" dpkg --install "$2"',
          ...["sh", host.root, inside],
        ],
        {
          env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" },
          stdio: ["ignore", "pipe", "pipe"],
        },
      ),
    );
    const output = Promise.all([text(child.stdout), text(child.stderr)]);
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`dpkg ended with ${code}: ${(await output).join("")}`);
    return host;
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

/** What a host's agent has to do with: its AWS, and an oracle that knows what its producers wrote. */
export interface AgentWorld extends AsyncDisposable {
  readonly fleet: string;
  readonly bucket: string;
  /** Sets parameters, reads logs. Its bucket is none that the agent uses. */
  readonly operator: Operator;
  /** Where the agent's objects go: strict, and it can be told to be slow or to fail. */
  readonly s3: FakeS3;
  readonly oracle: Oracle;
  /** Writes /etc/default/s3-offload-agent: where this AWS is, and the credentials for it. */
  introduce(host: SystemdHost): Promise<void>;
  /**
   * Makes the host one of this fleet: introduces it and writes its bootstrap file and the fleet's
   * parameters, by which files settle at once and are swept every second. For the next start.
   */
  configure(host: SystemdHost, options?: ConfigureOptions): Promise<void>;
  /** A producer writes a file of an allowed root, which is there as a whole at once. */
  produce(host: SystemdHost, path: string, content: string | Buffer, as?: WrittenAs): Promise<void>;
  /** Judges the bucket, and all below these folders of the host: nothing is lost, twice or wrong. */
  verify(host: SystemdHost, ...folders: readonly string[]): Promise<Verdict>;
}

export interface ConfigureOptions {
  /** On top of bucket, directory, min-age and schedule; undefined takes one away. */
  readonly parameters?: Readonly<Record<string, string | undefined>>;
  /** Further lines of the bootstrap file. */
  readonly bootstrap?: readonly string[];
}

/** Waits until no file is left in the default root. */
export async function untilAllTaken(host: SystemdHost): Promise<void> {
  await host.until("all files to be taken", async () => (await host.files(SPOOL)).length === 0);
}

/** A booted copy of a host, whose agent follows the parameters of a world. */
export async function followingHost(
  base: SystemdHost,
  world: AgentWorld,
  options?: ConfigureOptions,
): Promise<SystemdHost> {
  const host = await SystemdHost.make(base);
  await world.configure(host, options);
  await host.boot();
  await host.must(["systemctl", "reload", UNIT]);
  await host.first(is("config.applied"));
  return host;
}

let worlds = 0;
let written = 0;

/** A fleet of its own in a local AWS. */
export async function openWorld(aws: LocalAws): Promise<AgentWorld> {
  worlds += 1;
  const fleet = `hosts-${process.pid}-${worlds}`;
  const s3 = await startFakeS3({ buckets: [fleet] });
  const operator = makeOperator({ ...aws, fleet, host: "none", bucket: fleet });
  const oracle = new Oracle();
  const environment = { ...aws.env, AWS_ENDPOINT_URL_S3: s3.endpoint };
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const introduce = async (host: SystemdHost) => {
    await host.write("/etc/default/s3-offload-agent", `${lines.join("\n")}\n`, { mode: 0o600 });
  };
  return {
    fleet,
    bucket: fleet,
    operator,
    s3,
    oracle,
    introduce,
    async configure(host, { parameters = {}, bootstrap = [] } = {}) {
      const all = { bucket: fleet, "min-age": "0s", schedule: "rate(1 second)", ...parameters };
      for (const [leaf, value] of Object.entries(all)) {
        if (value !== undefined) await operator.setParameter(leaf, value);
      }
      await introduce(host);
      const own = [`fleet: ${fleet}`, `hostId: ${host.name}`, "minAgeFloor: 0s", ...bootstrap];
      await host.write("/etc/s3-offload-agent/agent.yaml", `${own.join("\n")}\n`);
    },
    async produce(host, path, content, as) {
      written += 1;
      const hidden = `/var/tmp/being-written-${written}`;
      await host.write(hidden, content, as);
      oracle.closed(host.path(path), content);
      await rename(host.path(hidden), host.path(path));
    },
    async verify(host, ...folders) {
      const objects = () =>
        new Map([...s3.objects(fleet)].map(([key, { sha256 }]) => [key, sha256]));
      const directories = folders.map((folder) => host.path(folder));
      return await oracle.verify({ objects, directories });
    },
    [Symbol.asyncDispose]: () => s3.stop(),
  };
}

/** A check for records: of this event, with these fields. */
export function is(
  event: string,
  fields: Readonly<Record<string, unknown>> = {},
): (record: AgentRecord) => boolean {
  return (record) =>
    record["event"] === event &&
    Object.entries(fields).every(([name, value]) => record[name] === value);
}
