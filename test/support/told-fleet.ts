import { spawn } from "node:child_process";
import { chmod, chown, mkdir, mkdtempDisposable, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CloudWatchLogsClient, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { beatAt, SLOT_MS } from "../../src/agent/heartbeats.ts";
import type { InsightsEvent } from "../../tools/cloudwatch/insights-language.ts";
import { makeOperator, type Operator } from "../../tools/demo/operator.ts";
import { hostIdsByBeat } from "../../tools/host-ids.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { CONTENT_MARK, SECRET_MARK } from "../../tools/marks.ts";
import { type FrontOperation, Refusal, startFrontServer } from "./front-server.ts";
import { type RunningAgent, watchAgent } from "./host.ts";
import { endAtLast } from "./leftover-children.ts";
import { startProxy } from "./proxy.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** "nobody": a user who may not do everything. */
const NOBODY = 65_534;

/** By then all that happens before the heartbeats has happened, where the machine is not too busy. */
const BEATS_IN_MS = 30_000;

const KEY_LIFE_MS = 3_600_000;
/** Halfway through a short life credentials are renewed: shortly before the heartbeat it is due. */
const LIFE_PER_BEAT = 1.6;

/** The hosts of the fleet, by what they are for. */
export type Role = "well" | "ill" | "uprooted" | "talker";

/** What real agents have told, as CloudWatch Logs has it, and what is known to be true. */
export interface ToldFleet {
  readonly fleet: string;
  readonly ids: Readonly<Record<Role, string>>;
  /** The records of each log group, as a query sees them. */
  readonly state: readonly InsightsEvent[];
  readonly files: readonly InsightsEvent[];
  /** When all was told, in wall-clock milliseconds. */
  readonly endedAt: number;
}

let told: Promise<ToldFleet> | undefined;

/**
 * Lets four real agents live for half a minute, with faults, and hands out what they wrote:
 *
 * - `well` moves two files, and a third one that S3 holds up until due times have passed;
 * - `ill` has a file that it may not read (set aside), one that it may not remove, and a
 *   configuration that it refuses;
 * - `uprooted` loses its directory, after it has moved a file, and cannot renew its credentials;
 * - `talker` loses records: CloudWatch Logs rejects one, and is away while more come than are kept.
 *
 * All have sent a heartbeat after that. It is done once for all tests of a process.
 */
export function toldFleet(): Promise<ToldFleet> {
  told ??= tell();
  return told;
}

async function tell(): Promise<ToldFleet> {
  await using resources = new AsyncDisposableStack();
  const aws = resources.use(await startLocalAws());
  const folder = resources.use(await mkdtempDisposable(join(tmpdir(), "s3-offload-told-"))).path;
  await chmod(folder, 0o755);
  const [well = "", ill = "", uprooted = "", talker = ""] = hostIdsByBeat(
    "web",
    Date.now() + BEATS_IN_MS,
  );
  const ids = { well, ill, uprooted, talker };
  const fleet = `told-${process.pid}`;
  const operatorOf = (host: string) => makeOperator({ ...aws, fleet, host, bucket: fleet });
  const operator = operatorOf(well);
  await operator.makeBucket();
  for (const [leaf, value] of Object.entries({
    bucket: fleet,
    directory: "watched",
    schedule: "rate(1 seconds)",
    splay: "0s",
    "min-age": "0s",
    "quarantine-after": "1",
    "expected-hosts": "5",
  })) {
    await operator.setParameter(leaf, value);
  }
  const place = { aws, fleet, folder, operatorOf, resources };
  const lives = await Promise.all([
    liveWell(place, well),
    liveIll(place, ill),
    liveUprooted(place, uprooted),
    liveTalkative(place, talker),
  ]);
  // On a machine that is busy the first heartbeat may come too early to tell of everything.
  const happenedAt = Date.now();
  const isLater = ({ event, time }: Record<string, unknown>) =>
    event === "agent.heartbeat" && Date.parse(`${time}`) > happenedAt;
  for (const { agent } of lives) await agent.first(isLater);
  for (const { mend } of lives) await mend?.();
  for (const { agent } of lives) agent.kill("SIGTERM");
  await Promise.all(lives.map(({ agent }) => agent.ended()));
  const group = `/s3-offload-agent/${fleet}`;
  const [state, files] = [await readGroup(aws, group), await readGroup(aws, `${group}/files`)];
  return { fleet, ids, state, files, endedAt: Date.now() };
}

interface Place {
  readonly aws: LocalAws;
  readonly fleet: string;
  readonly folder: string;
  readonly operatorOf: (host: string) => Operator;
  readonly resources: AsyncDisposableStack;
}

interface Life {
  readonly agent: RunningAgent;
  /** Takes a fault away, before the end. */
  readonly mend?: () => Promise<void>;
}

async function liveWell(place: Place, id: string): Promise<Life> {
  const s3 = place.resources.use(await startProxy(place.aws.endpoint));
  const host = await makeHome(place, id);
  await writeFile(join(host.watched, "a.csv"), CONTENT_MARK.padEnd(1_000, "a"));
  await writeFile(join(host.watched, "b.csv"), CONTENT_MARK.padEnd(500, "b"));
  const agent = await start(place, host, { AWS_ENDPOINT_URL_S3: s3.endpoint });
  await agent.first(isEvent("sweep.completed", { filesRemoved: 2 }));
  s3.hold();
  await writeFile(join(host.watched, "held-up.csv"), CONTENT_MARK.padEnd(100, "c"));
  await s3.arrived(3);
  // The next sweeps become due while this one waits.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  s3.release();
  await agent.first(isEvent("sweep.overran"));
  return { agent };
}

async function liveIll(place: Place, id: string): Promise<Life> {
  const host = await makeHome(place, id);
  await writeFile(join(host.watched, "good.csv"), "good");
  await writeFile(join(host.watched, "bad.csv"), "bad");
  await chmod(join(host.watched, "bad.csv"), 0);
  const locked = join(host.watched, "locked");
  await mkdir(locked);
  await writeFile(join(locked, "stuck.csv"), "stuck");
  const isRoot = process.getuid?.() === 0;
  if (isRoot) for (const path of [host.watched, host.state]) await chown(path, NOBODY, NOBODY);
  await chmod(locked, 0o555);
  place.resources.defer(() => chmod(locked, 0o755));
  const agent = await start(place, host, {}, isRoot ? NOBODY : undefined);
  await agent.first(isEvent("file.quarantined"));
  await agent.first(isEvent("file.failed", { reason: "not-removable" }));
  await place.operatorOf(id).setHostParameter("concurrency", "very much");
  agent.kill("SIGHUP");
  await agent.first(isEvent("config.refused"));
  return { agent };
}

async function liveUprooted(place: Place, id: string): Promise<Life> {
  const host = await makeHome(place, id);
  await writeFile(join(host.watched, "last.csv"), "the last one");
  const lifeMs = LIFE_PER_BEAT * (nextBeatAt(id) - Date.now());
  const endsAt = Date.now() + lifeMs;
  await writeKey(host, lifeMs);
  const agent = await start(place, host);
  await agent.first(isEvent("sweep.completed", { filesRemoved: 1 }));
  await rm(keyFileOf(host));
  await rename(host.watched, `${host.watched}-gone`);
  await agent.first(isEvent("sweep.failed"));
  return {
    agent,
    async mend() {
      await writeKey(host, KEY_LIFE_MS);
      // Its heartbeat came so late that it could not send it.
      if (Date.now() >= endsAt) await agent.first(isEvent("logs.recovered"));
    },
  };
}

function nextBeatAt(id: string): number {
  const slot = Math.floor(Date.now() / SLOT_MS);
  const beat = beatAt(id, slot);
  return beat > Date.now() ? beat : beatAt(id, slot + 1);
}

async function liveTalkative(place: Place, id: string): Promise<Life> {
  const host = await makeHome(place, id);
  for (const [leaf, value] of [
    ["log-spool-limit", "1MiB"],
    ["log-level", "debug"],
    ["exclude", "**/*.skip"],
  ] as const) {
    await place.operatorOf(id).setHostParameter(leaf, value);
  }
  const upstream = place.aws.endpoint;
  const front = await startFrontServer(upstream, { [PUT]: rejectingOnce(upstream) });
  const logs = place.resources.use(await startProxy(front.endpoint));
  place.resources.use(front);
  const agent = await start(place, host, { AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: logs.endpoint });
  await agent.first(isEvent("logs.rejected"));
  logs.setBroken(true);
  const many = join(host.watched, "many");
  await mkdir(many);
  for (let n = 0; n < MANY; n += 1) await writeFile(join(many, `${n}-${LONG}.skip`), "");
  await agent.first(isEvent("logs.unavailable"));
  await agent.first(isEvent("sweep.completed", { filesIgnored: MANY }));
  await rm(many, { recursive: true });
  logs.setBroken(false);
  await agent.first(isEvent("logs.dropped"));
  return { agent };
}

/** Records of these take more than the least that a spool may have, which is 1 MiB. */
const MANY = 3_000;
const LONG = "a-long-name".repeat(20);

const PUT = "Logs_20140328.PutLogEvents";

/** The first batch is taken as it is, but the answer says that its first record was too old. */
function rejectingOnce(upstream: string): FrontOperation {
  let isFirst = true;
  return async (input, headers) => {
    const answer = await fetch(upstream, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": PUT,
        authorization: headers.authorization ?? "",
      },
      body: JSON.stringify(input),
    });
    const body = (await answer.json()) as { readonly __type?: string };
    if (!answer.ok) throw new Refusal(body.__type ?? "", "as the service behind says");
    if (!isFirst) return body;
    isFirst = false;
    return { ...body, rejectedLogEventsInfo: { tooOldLogEventEndIndex: 1 } };
  };
}

interface Home {
  readonly id: string;
  readonly folder: string;
  readonly watched: string;
  readonly state: string;
  readonly bootstrap: string;
}

async function makeHome({ fleet, folder: all }: Place, id: string): Promise<Home> {
  const folder = join(all, id);
  const [watched, state] = [join(folder, "watched"), join(folder, "state")];
  for (const path of [folder, watched, state]) await mkdir(path);
  await chmod(folder, 0o755);
  const bootstrap = join(folder, "agent.yaml");
  const home = { id, folder, watched, state, bootstrap };
  await writeKey(home, KEY_LIFE_MS);
  await writeFile(
    bootstrap,
    `fleet: ${fleet}\nhostId: ${id}\nallowedRoots: [${watched}]\nstateDirectory: ${state}\nminAgeFloor: 0s\n`,
  );
  return home;
}

/** What a host's `credential_process` reads. */
function keyFileOf({ folder }: Home): string {
  return join(folder, "key.json");
}

async function writeKey(home: Home, lifeMs: number): Promise<void> {
  const [SecretAccessKey, SessionToken] = [`${SECRET_MARK}-key`, `${SECRET_MARK}-token`];
  const key = { Version: 1, AccessKeyId: "test", SecretAccessKey, SessionToken };
  const Expiration = new Date(Date.now() + lifeMs).toISOString();
  await writeFile(keyFileOf(home), JSON.stringify({ ...key, Expiration }));
}

/** Credentials that end, so that there is something to tell of them. */
async function useKeyFile(home: Home): Promise<Readonly<Record<string, string | undefined>>> {
  const path = join(home.folder, "aws-config");
  await writeFile(path, `[default]\ncredential_process = cat ${keyFileOf(home)}\n`);
  return {
    AWS_CONFIG_FILE: path,
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_SESSION_TOKEN: undefined,
  };
}

async function start(
  { aws, resources }: Place,
  home: Home,
  more: Readonly<Record<string, string>> = {},
  uid?: number,
): Promise<RunningAgent> {
  const { folder, bootstrap } = home;
  const env = { ...aws.environment(), HOME: folder, ...(await useKeyFile(home)), ...more };
  const user = uid === undefined ? {} : { uid, gid: uid };
  const child = spawn(process.execPath, [MAIN, "run", "--config", bootstrap], {
    env,
    cwd: folder,
    ...user,
  });
  return resources.use(watchAgent(endAtLast(child), { isHurried: true }));
}

function isEvent(event: string, fields: Readonly<Record<string, unknown>> = {}) {
  return (record: Record<string, unknown>) =>
    record["event"] === event &&
    Object.entries(fields).every(([name, value]) => record[name] === value);
}

async function readGroup(aws: LocalAws, logGroupName: string): Promise<InsightsEvent[]> {
  const logs = new CloudWatchLogsClient({
    endpoint: aws.endpoint,
    region: "eu-central-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  const found: InsightsEvent[] = [];
  let nextToken: string | undefined;
  do {
    const page = await logs.send(new FilterLogEventsCommand({ logGroupName, nextToken }));
    for (const { timestamp = 0, message = "", logStreamName = "" } of page.events ?? []) {
      found.push({ timestamp, message, logStream: logStreamName });
    }
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
  logs.destroy();
  return found;
}
