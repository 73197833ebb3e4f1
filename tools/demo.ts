import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { formatBytes } from "../src/lib/units.ts";
import { follow } from "./demo/follow.ts";
import { addsUp, judge, tableOf, type Written } from "./demo/judge.ts";
import { makeOperator } from "./demo/operator.ts";
import { type JsonProcess, runAgent, startJsonProcess } from "./demo/processes.ts";
import { type LocalAws, startLocalAws } from "./local-aws.ts";

/**
 * `npm run demo`: the main job against a local AWS. A producer writes files, the daemon moves them
 * into the bucket, an operator changes the prefix meanwhile; then everything is counted.
 */
const FLEET = "demo";
const HOST = "demo-host";
const BUCKET = "demo-bucket";
const FILES = 8;
const FIRST_PREFIX = "first/{host}/";
const SECOND_PREFIX = "second/{host}/";

/** A demo that takes longer than this is stuck; usually it takes about a minute. */
const STORY_MS_MAX = 110_000;

const HELP = `npm run demo [-- --keep]

Starts a local AWS, a file generator and the daemon, changes a parameter while it runs, and counts
every byte at the end. Takes about a minute: a file has to be 30 seconds old before it is taken.

  --keep   leave the local AWS and the daemon running to play with, until Ctrl-C
`;

const startedAt = performance.now();
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());

try {
  const { values } = parseArgs({
    options: { keep: { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help === true) process.stdout.write(HELP);
  else process.exitCode = await demo(values.keep === true);
} catch (error) {
  process.exitCode = stop.signal.aborted ? 130 : 1;
  if (!stop.signal.aborted) {
    process.stderr.write(
      `demo: ${error instanceof Error ? error.message : String(error)}\n\n${HELP}`,
    );
  }
}

/** @returns the exit code: 0 if the table adds up */
async function demo(isKept: boolean): Promise<number> {
  await using folder = await temporaryFolder();
  const watched = join(folder.path, "watched");
  await mkdir(watched);

  say("Starting a local AWS (moto) on loopback.");
  await using aws = await startLocalAws();
  const operator = makeOperator({ ...aws, fleet: FLEET, host: HOST, bucket: BUCKET });
  await operator.makeBucket();

  title("The operator makes the fleet: a file, and `fleet apply`");
  const file = join(folder.path, "demo.yaml");
  const apply = async (prefix: string) => {
    await writeFile(file, fleetFile(prefix, watched));
    return await runAgent(["fleet", "apply", file, "--yes"], aws.environment());
  };
  say(indented(fleetFile(FIRST_PREFIX, watched)));
  say("  $ s3-offload-agent fleet apply demo.yaml --yes\n");
  say(indented(await apply(FIRST_PREFIX)));
  const bootstrap = join(folder.path, "agent.yaml");
  const state = join(folder.path, "state");
  await writeFile(
    bootstrap,
    `fleet: ${FLEET}\nhostId: ${HOST}\nallowedRoots: [${watched}]\nstateDirectory: ${state}\n`,
    { mode: 0o644 },
  );

  title("On the host: a producer writes files, and the daemon moves what is 30 s old");
  const { written, agentExitCode } = await runStory({ aws, apply, watched, bootstrap });

  title("What there is at the end, read back from the bucket and from CloudWatch Logs");
  const group = `/s3-offload-agent/${FLEET}`;
  const objects = await operator.readObjects();
  for (const key of objects.keys()) say(`  s3://${BUCKET}/${key}`);
  const fileRecords = await operator.readRecords(`${group}/files`);
  const stateRecords = await operator.readRecords(group);
  tellRecords(group, [...fileRecords, ...stateRecords]);
  const rows = judge({
    written,
    objects,
    onDisk: await readdir(watched),
    fileRecords,
    stateRecords,
    secondPrefix: SECOND_PREFIX.replace("{host}", HOST),
    agentExitCode,
  });
  process.stdout.write(`\n${tableOf(rows)}`);
  const isRight = addsUp(rows);
  if (!isRight) say("The table does NOT add up.");
  if (isKept) await keep(aws, watched, bootstrap);
  return isRight ? 0 : 1;
}

function fleetFile(prefix: string, watched: string): string {
  return [
    `fleet: ${FLEET}`,
    "settings:",
    `  bucket: ${BUCKET}`,
    `  prefix: "${prefix}"`,
    `  directory: ${watched}`,
    "  schedule: rate(2 seconds)",
    "",
  ].join("\n");
}

async function runStory(scene: {
  readonly aws: LocalAws;
  readonly apply: (prefix: string) => Promise<string>;
  readonly watched: string;
  readonly bootstrap: string;
}): Promise<{ written: readonly Written[]; agentExitCode: number }> {
  const { aws, apply, watched, bootstrap } = scene;
  const env = aws.environment();
  const agent = startJsonProcess("src/main.ts", ["run", "--config", bootstrap], env);
  const generator = startJsonProcess(
    "tools/generate.ts",
    [
      ...["--directory", watched, "--count", String(FILES), "--every", "2500ms"],
      ...["--size", "1KiB..64KiB", "--slow-write", "4s", "--seed", "7", "--json"],
    ],
    env,
  );
  try {
    const writing = tellWritten(generator);
    let isChanged = false;
    const followed = follow(agent.records, {
      files: FILES,
      say: narrate,
      // By itself it would ask within half a minute, and let what was just written settle.
      onStarted() {
        narrate("operator", "reloads the daemon, so as not to wait for its first reading");
        agent.reload();
      },
      // The first file that goes is the sign to change the prefix, while others still wait.
      async onRemoved() {
        if (isChanged) return;
        isChanged = true;
        await apply(SECOND_PREFIX);
        narrate("operator", `applies prefix: ${SECOND_PREFIX} with \`fleet apply\`, and reloads`);
        agent.reload();
      },
    });
    await Promise.race([followed.allRemoved, stuckOrStopped()]);
    const written = await writing;
    agent.stop();
    await followed.ended;
    return { written, agentExitCode: await agent.ended() };
  } finally {
    for (const child of [agent, generator]) child.stop();
    await Promise.all([agent.ended(), generator.ended()]);
  }
}

async function tellWritten(generator: JsonProcess): Promise<Written[]> {
  const written: Written[] = [];
  for await (const record of generator.records) {
    const name = String(record["name"]);
    const slowly = record["slow"] === true ? ", written slowly" : "";
    narrate("producer", `closed    ${name}  ${formatBytes(Number(record["bytes"]))}${slowly}`);
    written.push({ name, sha256: String(record["sha256"]) });
  }
  return written;
}

function tellRecords(group: string, records: readonly Record<string, unknown>[]): void {
  const counts = new Map<string, number>();
  for (const { event } of records) counts.set(String(event), (counts.get(String(event)) ?? 0) + 1);
  say(`  log groups ${group} and ${group}/files, stream ${HOST}:`);
  for (const [event, count] of counts) say(`  ${String(count).padStart(5)} x ${event}`);
}

async function stuckOrStopped(): Promise<never> {
  const limit = AbortSignal.timeout(STORY_MS_MAX);
  const { promise, reject } = Promise.withResolvers<never>();
  for (const signal of [limit, stop.signal]) {
    signal.addEventListener("abort", () => reject(new Error("not all files were gone in time")));
  }
  return await promise;
}

async function keep(aws: LocalAws, watched: string, bootstrap: string): Promise<void> {
  const agent = startJsonProcess("src/main.ts", ["run", "--config", bootstrap], aws.environment());
  title("The daemon runs again, with the same local AWS. In another terminal, from this checkout:");
  for (const [name, value] of Object.entries(aws.env)) say(`  export ${name}=${value}`);
  say(`  npm run -s generate -- --directory ${watched} --count 3 --every 2s`);
  say(`  npm run -s agent -- sweep --dry-run --config ${bootstrap}`);
  say(`  npm run -s agent -- config show --config ${bootstrap}`);
  say(`  npm run -s agent -- status --config ${bootstrap}`);
  say(`  npm run -s agent -- fleet pull --fleet ${FLEET}`);
  say("Ctrl-C ends it.\n");
  stop.signal.addEventListener("abort", () => agent.stop());
  if (stop.signal.aborted) agent.stop();
  for await (const { event, ...record } of agent.records) {
    const { path, key, routes, message } = record;
    if (event !== "sweep.completed")
      narrate("agent", JSON.stringify({ event, path, key, routes, message }));
  }
  await agent.ended();
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "s3-offload-demo-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

function narrate(who: string, text: string): void {
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1).padStart(5);
  say(`${seconds}s  ${who.padEnd(8)}  ${text}`);
}

function indented(text: string): string {
  return text.trimEnd().replace(/^(?=.)/gm, "  ");
}

function title(text: string): void {
  say(`\n${text}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
