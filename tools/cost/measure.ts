import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VERSION } from "../../src/lib/version.ts";
import { METRIC_VALUES_MAX } from "../../src/logs/emf.ts";
import { makeOperator } from "../demo/operator.ts";
import { startJsonProcess } from "../demo/processes.ts";
import { fileName } from "../generator/plan.ts";
import { hostIdsByBeat } from "../host-ids.ts";
import { startLocalAws } from "../local-aws.ts";
import { type Measured, writeMeasured } from "./measured.ts";

/**
 * `npm run cost:measure`: how long the records of real agents are, with names as they are on EC2. It
 * takes until the next heartbeat: a minute or two.
 */

/** Enough for the first calls and sweeps. */
const BEAT_IN_MS = 45_000;
const TIMEOUT_MS = 420_000;
const FLEET = "web";
/** As long as the id of an EC2 instance. */
const HOST_NAME = "i-0a1b2c3d4e5f6";

type AgentRecord = Record<string, unknown>;

async function measure(): Promise<Measured> {
  await using resources = new AsyncDisposableStack();
  const aws = resources.use(await startLocalAws());
  const folder = resources.use(await mkdtempDisposable(join(tmpdir(), "s3-offload-cost-"))).path;
  const [id = "", other = ""] = hostIdsByBeat(HOST_NAME, Date.now() + BEAT_IN_MS);
  const bucket = "example-landing-eu-central-1";
  const operator = makeOperator({ ...aws, fleet: FLEET, host: other, bucket });
  await operator.makeBucket();
  for (const [leaf, value] of Object.entries({
    bucket,
    directory: "watched",
    schedule: "rate(1 seconds)",
    splay: "0s",
    "min-age": "0s",
    "expected-hosts": "1000",
  })) {
    await operator.setParameter(leaf, value);
  }
  await operator.setHostParameter("bucket", "example-that-is-not-there");
  const env = aws.environment();
  const day = Date.UTC(2026, 10, 24);
  const names = Array.from({ length: METRIC_VALUES_MAX }, (_, n) =>
    fileName(day + n * 60_000, (0xa1b2c3 + n).toString(16)),
  );
  const hasBoth = (records: readonly AgentRecord[]) =>
    records.some(isFull) && records.some(({ event }) => event === "agent.heartbeat");
  const hasFailed = (records: readonly AgentRecord[]) =>
    records.some(({ event }) => event === "file.failed");
  const [records, failures] = await Promise.all([
    recordsUntil(hasBoth, { id, folder, env, names }),
    recordsUntil(hasFailed, { id: other, folder, env, names: names.slice(0, 1) }),
  ]);
  const first = (all: readonly AgentRecord[], fits: (one: AgentRecord) => boolean) => {
    const found = all.find(fits);
    if (found === undefined) throw new Error("the agent did not write what it was waited for");
    return found;
  };
  const full = first(records, isFull);
  const failed = first(failures, ({ event }) => event === "file.failed");
  const heartbeat = first(records, ({ event }) => event === "agent.heartbeat");
  const idle = records.filter(
    (one) => one["event"] === "sweep.completed" && one["filesRemoved"] === 0,
  );
  const removed = records.filter(({ event }) => event === "file.removed");
  const sweepBytes = Math.round(average(idle));
  return {
    at: new Date().toISOString().slice(0, 10),
    version: VERSION,
    heartbeatBytes: bytesOf(heartbeat),
    sweepBytes,
    sweepBytesPerUpload: round((bytesOf(full) - sweepBytes) / Number(full["filesRemoved"])),
    fileRemovedBytes: Math.round(average(removed)),
    fileFailedBytes: bytesOf(failed),
  };
}

/** Whether it is a sweep that moved files. */
function isFull({ event, filesRemoved }: AgentRecord): boolean {
  return event === "sweep.completed" && filesRemoved !== 0;
}

/**
 * Runs a host whose watched directory, `watched` in its folder, has some files at the start.
 * @param isEnough whether it may end
 * @returns the records up to then
 * @throws Error if the agent ends before, or is not done in time
 */
async function recordsUntil(
  isEnough: (records: readonly AgentRecord[]) => boolean,
  host: {
    readonly id: string;
    readonly folder: string;
    readonly env: NodeJS.ProcessEnv;
    readonly names: readonly string[];
  },
): Promise<readonly AgentRecord[]> {
  const home = join(host.folder, host.id);
  const watched = join(home, "watched");
  await mkdir(watched, { recursive: true });
  for (const name of host.names) await writeFile(join(watched, name), `${name}\n`.repeat(50));
  const bootstrap = join(home, "agent.yaml");
  const lines = [
    `fleet: ${FLEET}`,
    `hostId: ${host.id}`,
    `allowedRoots: [${watched}]`,
    `stateDirectory: ${join(home, "state")}`,
    "minAgeFloor: 0s",
  ];
  await writeFile(bootstrap, `${lines.join("\n")}\n`);
  const env = { ...host.env, HOME: home };
  const agent = startJsonProcess("src/main.ts", ["run", "--config", bootstrap], env, home);
  const timer = setTimeout(agent.stop, TIMEOUT_MS);
  const records: AgentRecord[] = [];
  try {
    for await (const record of agent.records) {
      records.push(record);
      if (isEnough(records)) return records;
    }
    throw new Error(`${host.id} ended, or took over ${TIMEOUT_MS} ms`);
  } finally {
    clearTimeout(timer);
    agent.stop();
    await agent.ended();
  }
}

/** Of the line that goes to CloudWatch Logs: the one of the standard output is the same. */
function bytesOf(record: AgentRecord): number {
  return Buffer.byteLength(JSON.stringify(record));
}

function average(records: readonly AgentRecord[]): number {
  return records.reduce((sum, record) => sum + bytesOf(record), 0) / records.length;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

const measured = await measure();
await writeMeasured(measured);
process.stdout.write(`${JSON.stringify(measured, undefined, 2)}\n`);
