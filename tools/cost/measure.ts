import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VERSION } from "../../src/lib/version.ts";
import { METRIC_VALUES_MAX } from "../../src/logs/emf.ts";
import { type AgentRecord, FleetHost } from "../../test/support/fleet-host.ts";
import { hostIdsByBeat } from "../../test/support/host-ids.ts";
import { makeOperator } from "../demo/operator.ts";
import { fileName } from "../generator/plan.ts";
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
  const deadline = AbortSignal.timeout(TIMEOUT_MS);
  const options = { fleet: FLEET, folder, env: aws.environment(), deadline };
  const host = resources.use(await FleetHost.make(id, options));
  const failing = resources.use(await FleetHost.make(other, options));
  const day = Date.UTC(2026, 10, 24);
  for (let n = 0; n < METRIC_VALUES_MAX; n += 1) {
    await host.write(fileName(day + n * 60_000, (0xa1b2c3 + n).toString(16)), []);
  }
  await failing.write(fileName(day, "a1b2c3"), []);
  await Promise.all([host.start(), failing.start()]);
  const full = await host.first("sweep.completed", (one) => one["filesRemoved"] !== 0);
  const failed = await failing.first("file.failed");
  const heartbeat = await host.first("agent.heartbeat");
  const idle = host.records.filter(
    (one) => one["event"] === "sweep.completed" && one["filesRemoved"] === 0,
  );
  const removed = host.records.filter(({ event }) => event === "file.removed");
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
