import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  CloudWatchLogsClient,
  type CreateLogGroupCommand,
  type CreateLogStreamCommand,
  type PutLogEventsCommand,
  type RejectedLogEventsInfo,
} from "@aws-sdk/client-cloudwatch-logs";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { expect } from "chai";
import { makeLogDestination } from "../../../src/aws/cloudwatch-logs.ts";
import { makeLogEvent } from "../../../src/logs/batch.ts";

type Command = PutLogEventsCommand | CreateLogGroupCommand | CreateLogStreamCommand;

function serviceError(name: string, message = "No"): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode: 400 } });
}

/** A destination whose client knows groups and streams, and refuses what the test says. */
function make(options: {
  readonly hasGroup: boolean;
  readonly rejected?: RejectedLogEventsInfo;
  readonly refuses?: Readonly<Record<string, Error>>;
}) {
  const sent: { name: string; input: object }[] = [];
  const streams = new Set<string>();
  let hasGroup = options.hasGroup;
  const send = async (command: Command) => {
    const name = command.constructor.name.replace("Command", "");
    sent.push({ name, input: command.input });
    const refusal = options.refuses?.[name];
    if (refusal !== undefined) throw refusal;
    const stream = "logStreamName" in command.input ? (command.input.logStreamName ?? "") : "";
    if (name === "CreateLogGroup") {
      if (hasGroup) throw serviceError("ResourceAlreadyExistsException");
      hasGroup = true;
    } else if (!hasGroup) throw serviceError("ResourceNotFoundException");
    else if (name === "CreateLogStream") {
      if (streams.has(stream)) throw serviceError("ResourceAlreadyExistsException");
      streams.add(stream);
    } else if (!streams.has(stream)) throw serviceError("ResourceNotFoundException");
    return { rejectedLogEventsInfo: options.rejected };
  };
  const client = { send } as unknown as CloudWatchLogsClient;
  const destination = makeLogDestination(client, { group: "/agent/state", stream: "h1" });
  return { destination, names: () => sent.map(({ name }) => name), sent };
}

const EVENTS = Array.from({ length: 10 }, (_, n) => makeLogEvent(`record ${n}`, 1_000 + n));
const { signal } = new AbortController();

describe("makeLogDestination", () => {
  it("sends the messages and times to the group and the stream, and nothing else", async () => {
    const { destination, sent } = make({ hasGroup: true });
    await destination.create(signal);
    expect(await destination.put(EVENTS.slice(0, 2), signal)).to.deep.equal({
      kind: "accepted",
      rejected: 0,
    });
    expect(sent.at(-1)).to.deep.equal({
      name: "PutLogEvents",
      input: {
        logGroupName: "/agent/state",
        logStreamName: "h1",
        logEvents: [
          { timestamp: 1_000, message: "record 0" },
          { timestamp: 1_001, message: "record 1" },
        ],
      },
    });
  });

  it("makes only the stream where the group exists, so that a host needs no more rights", async () => {
    const { destination, names } = make({ hasGroup: true });
    expect(await destination.put(EVENTS, signal)).to.deep.equal({ kind: "missing" });
    expect(await destination.create(signal)).to.equal(undefined);
    expect(names()).not.to.include("CreateLogGroup");
    expect(await destination.put(EVENTS, signal)).to.have.property("kind", "accepted");
  });

  it("makes the group too where it is missing", async () => {
    const { destination } = make({ hasGroup: false });
    expect(await destination.create(signal)).to.equal(undefined);
    expect(await destination.put(EVENTS, signal)).to.have.property("kind", "accepted");
  });

  it("takes it as done when somebody else was quicker", async () => {
    const { destination } = make({ hasGroup: true });
    await destination.create(signal);
    expect(await destination.create(signal)).to.equal(undefined);
  });

  it("says why it cannot make the stream or the group", async () => {
    const denied = serviceError("AccessDeniedException", "may not");
    const stream = make({ hasGroup: true, refuses: { CreateLogStream: denied } });
    expect(await stream.destination.create(signal)).to.include({ code: "AccessDeniedException" });
    const group = make({ hasGroup: false, refuses: { CreateLogGroup: denied } });
    expect(await group.destination.create(signal)).to.include({ message: "may not" });
  });

  it("answers a failure, and throws only the signal's reason", async () => {
    const slow = Object.assign(serviceError("ThrottlingException", "slow"), {
      $response: { headers: { "retry-after": "7" } },
    });
    const refuses = { PutLogEvents: slow };
    const { destination } = make({ hasGroup: true, refuses });
    expect(await destination.put(EVENTS, signal)).to.deep.equal({
      kind: "failed",
      code: "ThrottlingException",
      message: "slow",
      retryAfterMs: 7_000,
      isTimeout: false,
    });
    const reason = new Error("stopping");
    const thrown = await destination
      .put(EVENTS, AbortSignal.abort(reason))
      .catch((error: unknown) => error);
    expect(thrown).to.equal(reason);
  });

  it("says of a request that was not answered in time that it took too long", async () => {
    const server = createServer((request) => request.resume()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = new CloudWatchLogsClient({
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: "eu-central-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      maxAttempts: 1,
      requestHandler: new NodeHttpHandler({ requestTimeout: 50, throwOnRequestTimeout: true }),
    });
    const destination = makeLogDestination(client, { group: "g", stream: "s" });
    const answer = await destination.put(EVENTS, signal);
    client.destroy();
    server.close();
    server.closeAllConnections();
    expect(answer).to.include({ kind: "failed", isTimeout: true });
  });

  it("tells a batch that is wrong from a service that fails", async () => {
    for (const [name, kind] of [
      ["InvalidParameterException", "refused"],
      ["SerializationException", "refused"],
      ["AccessDeniedException", "failed"],
      ["ServiceUnavailableException", "failed"],
    ] as const) {
      const { destination } = make({
        hasGroup: true,
        refuses: { PutLogEvents: serviceError(name) },
      });
      expect(await destination.put(EVENTS, signal)).to.include({ kind, code: name });
    }
  });

  const REJECTED: readonly (readonly [info: RejectedLogEventsInfo, count: number])[] = [
    [{}, 0],
    [{ tooOldLogEventEndIndex: 3 }, 3],
    [{ expiredLogEventEndIndex: 2, tooOldLogEventEndIndex: 3 }, 3],
    [{ tooNewLogEventStartIndex: 8 }, 2],
    [{ tooNewLogEventStartIndex: 0 }, 10],
    [{ tooOldLogEventEndIndex: 3, tooNewLogEventStartIndex: 8 }, 5],
    [{ tooOldLogEventEndIndex: 10 }, 10],
  ];
  for (const [rejected, count] of REJECTED) {
    it(`counts ${count} of ten events rejected by ${JSON.stringify(rejected)}`, async () => {
      const { destination } = make({ hasGroup: true, rejected });
      await destination.create(signal);
      expect(await destination.put(EVENTS, signal)).to.deep.equal({
        kind: "accepted",
        rejected: count,
      });
    });
  }
});
