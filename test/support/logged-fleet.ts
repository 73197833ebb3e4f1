import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import type { LocalAws } from "../../tools/local-aws.ts";
import { type FakeInsights, makeFakeInsights } from "./fake-insights.ts";
import { type FrontOperation, type FrontServer, startFrontServer } from "./front-server.ts";
import { heartbeatRecord } from "./heartbeats.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** How a command ended, and what it said. */
export interface FleetCommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command at work. */
export type FleetCommand = ChildProcessByStdio<null, Readable, Readable>;

/** A fleet that exists in its logs and parameters only, and an operator who looks at it. */
export interface LoggedFleet extends AsyncDisposable {
  readonly fleet: string;
  readonly group: string;
  readonly front: FrontServer;
  readonly insights: FakeInsights;
  setParameter(leaf: string, value: string): Promise<void>;
  setHostParameter(host: string, leaf: string, value: string): Promise<void>;
  /** Logs a healthy host's heartbeats of so many minutes ago. @param more see heartbeatRecord */
  beat(
    host: string,
    minutesAgo: readonly number[],
    more?: Readonly<Record<string, unknown>>,
  ): Promise<void>;
  /** Logs records as they are. @param group the fleet's, if not said */
  log(
    host: string,
    records: readonly { readonly at: number; readonly record: object }[],
    group?: string,
  ): Promise<void>;
  /** Starts `s3-offload-agent fleet ARGS --fleet FLEET`. */
  start(args: readonly string[], env?: Readonly<Record<string, string>>): FleetCommand;
  /** Runs it to its end. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<FleetCommandResult>;
}

let fleets = 0;

/**
 * Makes a fleet with its log group. The operator's requests go through a server in front of the
 * local AWS, which answers queries in its stead.
 * @param more further operations that the front server answers
 */
export async function makeLoggedFleet(
  aws: LocalAws,
  more: Readonly<Record<string, FrontOperation>> = {},
): Promise<LoggedFleet> {
  fleets += 1;
  const fleet = `logged-${process.pid}-${fleets}`;
  const group = `/s3-offload-agent/${fleet}`;
  const insights = makeFakeInsights(aws.endpoint);
  const front = await startFrontServer(aws.endpoint, { ...insights.operations, ...more });
  const config = {
    endpoint: aws.endpoint,
    region: "eu-central-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  };
  const logs = new CloudWatchLogsClient(config);
  const ssm = new SSMClient(config);
  await logs.send(new CreateLogGroupCommand({ logGroupName: group }));

  const made = new Set<string>([group]);
  const make = async (name: string, create: () => Promise<unknown>) => {
    if (made.has(name)) return;
    made.add(name);
    await create();
  };
  const put = async (path: string, value: string) => {
    const Name = `/s3-offload-agent/${path}`;
    await ssm.send(
      new PutParameterCommand({ Name, Value: value, Type: "String", Overwrite: true }),
    );
  };
  const log: LoggedFleet["log"] = async (host, records, logGroupName = group) => {
    const stream = { logGroupName, logStreamName: host };
    await make(logGroupName, () => logs.send(new CreateLogGroupCommand({ logGroupName })));
    await make(`${logGroupName}:${host}`, () => logs.send(new CreateLogStreamCommand(stream)));
    const logEvents = records
      .map(({ at, record }) => ({ timestamp: at, message: JSON.stringify(record) }))
      .sort((one, other) => one.timestamp - other.timestamp);
    await logs.send(new PutLogEventsCommand({ ...stream, logEvents }));
  };
  const start: LoggedFleet["start"] = (args, env = {}) =>
    spawn(process.execPath, [MAIN, "fleet", ...args, "--fleet", fleet], {
      env: { ...aws.environment(), ...endpointsOf(front.endpoint), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
  return {
    fleet,
    group,
    front,
    insights,
    setParameter: (leaf, value) => put(`fleets/${fleet}/${leaf}`, value),
    setHostParameter: (host, leaf, value) => put(`hosts/${host}/${leaf}`, value),
    beat: (host, minutesAgo, fields = {}) => {
      const times = minutesAgo.map((minutes) => Date.now() - minutes * 60_000);
      return log(
        host,
        times.map((at) => ({ at, record: heartbeatRecord(host, at, { fleet, ...fields }) })),
      );
    },
    log,
    start,
    async run(args, env) {
      const child = start(args, env);
      const [ended, stdout, stderr] = await Promise.all([
        once(child, "close"),
        text(child.stdout),
        text(child.stderr),
      ]);
      return { exitCode: ended[0], stdout, stderr };
    },
    async [Symbol.asyncDispose]() {
      logs.destroy();
      ssm.destroy();
      await front[Symbol.asyncDispose]();
    },
  };
}

/** The lines of a command's output, one after the other. */
export function linesOf({ stdout }: FleetCommand): AsyncIterator<string> {
  return createInterface({ input: stdout })[Symbol.asyncIterator]();
}

function endpointsOf(endpoint: string): Readonly<Record<string, string>> {
  const services = ["", "_SSM", "_CLOUDWATCH_LOGS", "_EC2", "_S3"];
  return Object.fromEntries(services.map((service) => [`AWS_ENDPOINT_URL${service}`, endpoint]));
}
