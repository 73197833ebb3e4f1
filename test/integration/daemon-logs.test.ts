import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { isErrno } from "../../src/lib/errors.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { makeHost, recordsOf, type TestHost } from "../support/host.ts";
import { endAtLast } from "../support/leftover-children.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const NO_LOGS = { AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: "http://127.0.0.1:1" };

const is = (event: string) => (record: Record<string, unknown>) => record["event"] === event;

/** A pipe that is full and that nobody reads. */
function makeStuckPipe(path: string): Disposable & { readonly fd: number } {
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(fd, Buffer.alloc(4_096));
  } catch (error) {
    if (!isErrno(error, "EAGAIN")) throw error;
  }
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

async function until(what: () => Promise<boolean>): Promise<void> {
  while (!(await what().catch(() => false))) await delay(100);
}

/** Names of the segments in which records wait. */
async function segmentsOf({ folder }: TestHost): Promise<string[]> {
  const names = await readdir(join(folder, "state", "spool"), { recursive: true });
  return names.filter((name) => name.endsWith(".log"));
}

describe("the daemon's log records", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  it("hold up neither sweeps, nor each other, nor its end, when nobody reads standard output", async function () {
    this.timeout(60_000);
    await using host = await makeHost(aws, { schedule: "rate(1 second)" });
    using stuck = makeStuckPipe(join(host.folder, "stuck"));
    await host.write("a.csv");
    const agent = endAtLast(
      spawn(process.execPath, [MAIN, "run", "--config", host.bootstrap], {
        env: host.env,
        stdio: ["ignore", stuck.fd, "ignore"],
      }),
    );
    const ended = once(agent, "exit");
    const group = `/s3-offload-agent/${host.fleet}`;
    const events = async (name: string) =>
      (await host.operator.readRecords(name)).map(({ event }) => event);
    await until(async () => (await events(group)).includes("agent.started"));
    agent.kill("SIGHUP");
    await until(async () => (await events(`${group}/files`)).includes("file.removed"));
    agent.kill("SIGTERM");
    expect(await ended).to.deep.equal([0, null]);
    expect(await events(group)).to.include("agent.stopped");
  });

  it("all reach a reader of standard output that falls behind, the last one too", async function () {
    this.timeout(60_000);
    await using host = await makeHost(aws, { schedule: "rate(1 second)", concurrency: "32" });
    // More than fits into the kernel's buffer of the pipe.
    const names = Array.from({ length: 500 }, (_, n) => `${n}.csv`);
    for (const name of names) await host.write(name);
    const agent = endAtLast(
      spawn(process.execPath, [MAIN, "run", "--config", host.bootstrap], {
        env: host.env,
        stdio: ["ignore", "pipe", "ignore"],
      }),
    );
    const ended = once(agent, "close");
    const group = `/s3-offload-agent/${host.fleet}`;
    const events = async () => (await host.operator.readRecords(group)).map(({ event }) => event);
    await until(async () => (await events()).includes("agent.started"));
    agent.kill("SIGHUP");
    await until(async () => (await readdir(host.watched)).every((name) => !name.endsWith(".csv")));
    agent.kill("SIGTERM");
    await until(async () => (await events()).includes("agent.stopped"));
    let stdout = "";
    agent.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    expect(await ended).to.deep.equal([0, null]);
    const records = recordsOf(stdout);
    expect(records.filter(is("file.removed"))).to.have.length(names.length);
    expect(records.at(-1)).to.include({ event: "agent.stopped" });
  });

  it("are not on disk where that is not wished, from the start on", async () => {
    await using host = await makeHost(aws, { "log-spool-limit": "none" });
    const runOnce = async () => {
      await using agent = host.start({ env: NO_LOGS });
      await agent.next(is("config.applied"));
      agent.kill("SIGTERM");
      expect((await agent.ended()).exitCode).to.equal(0);
    };
    await runOnce();
    // Before it knew the parameters it had to take the default.
    await rm(join(host.folder, "state", "spool"), { recursive: true });
    await runOnce();
    expect(await segmentsOf(host)).to.deep.equal([]);
  });

  it("go to no other fleet, when the host is given to one", async () => {
    await using host = await makeHost(aws);
    await using other = await makeHost(aws);
    await host.write("secret.csv");
    expect((await host.run(["sweep"], { env: NO_LOGS })).exitCode).to.equal(0);
    expect(await segmentsOf(host)).to.have.length(2);
    // The same state directory under another fleet's name.
    const text = await readFile(host.bootstrap, "utf8");
    const moved = text.replace(host.fleet, other.fleet).replace(host.watched, other.watched);
    await writeFile(other.bootstrap, moved);
    await other.write("own.csv");
    expect((await other.run(["sweep"])).exitCode).to.equal(0);
    const groups = [`/s3-offload-agent/${other.fleet}`, `/s3-offload-agent/${other.fleet}/files`];
    const read = groups.map((group) => other.operator.readRecords(group).catch(() => []));
    const records = (await Promise.all(read)).flat();
    expect(new Set(records.map(({ fleet }) => fleet))).to.deep.equal(new Set([other.fleet]));
    const dropped = records.filter(is("logs.dropped"));
    expect(dropped.map(({ reason }) => reason)).to.deep.equal(["foreign", "foreign"]);
    expect(await segmentsOf(host)).to.deep.equal([]);
  });
});
