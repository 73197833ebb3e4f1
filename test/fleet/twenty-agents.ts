import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cohortOf } from "../../src/config/canary.ts";
import { makeOperator } from "../../tools/demo/operator.ts";
import { hostIdsByBeat } from "../../tools/host-ids.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { FleetHost } from "../support/fleet-host.ts";
import { type LoggedFleet, makeLoggedFleet } from "../support/logged-fleet.ts";
import { startProxy } from "../support/proxy.ts";

/** Twenty hosts in all. */
const CANARY_HOSTS = 2;
const STABLE_HOSTS = 18;

/** How many percent of all hosts that there could be try the change first. */
const CANARY_PERCENT = 10;

/**
 * When heartbeats are wanted: by then all hosts have the change, where the machine has nothing else
 * to do. On a slower one the next heartbeats are waited for.
 */
const READY_IN_MS = 180_000;

/** The host that was cut off is ready later: it reads again after a pause that has grown. */
const CUT_OFF_MS = 30_000;

/** What each host is for. */
export interface FleetRoles {
  readonly all: readonly FleetHost[];
  /** Those that try the change first. */
  readonly canaries: readonly FleetHost[];
  /** Its own bootstrap file forbids the bucket of the change, which nobody but itself can know. */
  readonly refusing: FleetHost;
  /** Its watched directory goes away, and comes back in the end. */
  readonly uprooted: FleetHost;
  /** It is killed while the change settles, and started again. */
  readonly killed: FleetHost;
  /** It cannot reach SSM while the others get the change. */
  readonly cutOff: FleetHost;
}

/** A fleet of twenty agents before they start. */
export interface TwentyAgents {
  readonly roles: FleetRoles;
  readonly fleet: LoggedFleet;
  /** A list of all hosts and of one more, which never comes up. */
  readonly expectedFile: string;
  readonly neverUp: string;
  /** Where a host's files go before and after the change, as `BUCKET/KEY`. */
  before(host: FleetHost, name: string): string;
  after(host: FleetHost, name: string): string;
  /** Applies the first settings. */
  applyFirst(): Promise<void>;
  /** Gives the change to the canaries. */
  tryChange(): Promise<void>;
  /** Gives it to all. */
  promoteChange(): Promise<void>;
  /** Takes SSM from the host that is cut off; the answer gives it back. */
  cutOff(): () => void;
  /** Every object of both buckets, with the SHA-256 of its bytes. */
  objects(): Promise<ReadonlyMap<string, string>>;
}

/** Makes it, with its AWS. @param resources end everything, children included */
export async function makeTwentyAgents(
  resources: AsyncDisposableStack,
  deadline: AbortSignal,
): Promise<TwentyAgents> {
  const aws = resources.use(await startLocalAws());
  const folder = resources.use(await mkdtempDisposable(join(tmpdir(), "s3-offload-fleet-"))).path;
  const fleet = resources.use(await makeLoggedFleet(aws));
  const proxy = resources.use(await startProxy(aws.endpoint));
  const buckets = { before: `${fleet.fleet}-landing`, after: `${fleet.fleet}-archive` };
  const operators = Object.values(buckets).map((bucket) => operatorOf(aws, fleet.fleet, bucket));
  for (const { operator } of operators) await operator.makeBucket();

  const make = async (id: string, more: { env?: object; bootstrap?: string[] } = {}) => {
    const env = { ...aws.environment(), ...more.env };
    const { bootstrap = [] } = more;
    const options = { fleet: fleet.fleet, folder, env, bootstrap, deadline };
    return resources.use(await FleetHost.make(id, options));
  };
  const readyAt = Date.now() + READY_IN_MS;
  const isCanary = (id: string) => cohortOf(id, CANARY_PERCENT) === "canary";
  const ids = hostIdsByBeat("web", readyAt);
  const lateIds = hostIdsByBeat("edge", readyAt + CUT_OFF_MS);
  const makeAll = (some: readonly string[]) => Promise.all(some.map((id) => make(id)));
  const canaries = await makeAll(ids.filter(isCanary).slice(0, CANARY_HOSTS));
  const [first = "", ...others] = ids.filter((id) => !isCanary(id)).slice(0, STABLE_HOSTS - 1);
  const refusing = await make(first, { bootstrap: [`allowedBuckets: [${buckets.before}]`] });
  const late = lateIds.find((id) => !isCanary(id)) ?? "";
  const cutOff = await make(late, { env: { AWS_ENDPOINT_URL_SSM: proxy.endpoint } });
  const [uprooted, killed, ...plain] = await makeAll(others);
  if (uprooted === undefined || killed === undefined) throw new Error("there are too few hosts");
  const all = [refusing, uprooted, killed, cutOff, ...canaries, ...plain];

  const neverUp = "web-never";
  const expectedFile = join(folder, "expected.txt");
  await writeFile(expectedFile, [...all.map(({ id }) => id), neverUp].join("\n"));

  const fleetFile = join(folder, "fleet.yaml");
  const writeFleetFile = (bucket: string, prefix: string) =>
    writeFile(
      fleetFile,
      `fleet: ${fleet.fleet}
expected-hosts: ${all.length + 1}
settings:
  bucket: ${bucket}
  prefix: "${prefix}"
  directory: watched
  min-age: 0s
  schedule: rate(5 seconds)
  refresh-interval: 2s
`,
    );
  const operate = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await fleet.run([...args, "--yes"]);
    if (exitCode !== 0) throw new Error(`fleet ${args.join(" ")}: ${exitCode}\n${stdout}${stderr}`);
  };
  return {
    roles: { all, canaries, refusing, uprooted, killed, cutOff },
    fleet,
    expectedFile,
    neverUp,
    before: ({ id }, name) => `${buckets.before}/${id}/${name}`,
    after: ({ id }, name) => `${buckets.after}/v2/${id}/${name}`,
    async applyFirst() {
      await writeFleetFile(buckets.before, "{host}/");
      await operate("apply", fleetFile);
    },
    async tryChange() {
      await writeFleetFile(buckets.after, "v2/{host}/");
      await operate("apply", fleetFile, "--canary", `${CANARY_PERCENT}`);
    },
    promoteChange: () => operate("canary", "promote", "--force"),
    cutOff() {
      proxy.hold();
      return () => proxy.release();
    },
    async objects() {
      const found = new Map<string, string>();
      for (const { operator, bucket } of operators) {
        for (const [key, sha256] of await operator.readObjects()) {
          found.set(`${bucket}/${key}`, sha256);
        }
      }
      return found;
    },
  };
}

function operatorOf(aws: LocalAws, fleet: string, bucket: string) {
  return { bucket, operator: makeOperator({ ...aws, fleet, host: "", bucket }) };
}
