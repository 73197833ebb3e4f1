import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { messageOf } from "../../src/lib/errors.ts";
import { SECRET_MARK } from "../../tools/marks.ts";
import { takeBatch } from "./strict-stream.ts";

/**
 * An SSM and a CloudWatch Logs that answer in well under a millisecond, for tests that start the
 * agent hundreds of times. Only what the agent calls, with the documented limits of that.
 */
export interface FakeAws extends AsyncDisposable {
  readonly endpoint: string;
  /** The whole environment for AWS: it and nothing else, keys included. S3 is not here. */
  readonly env: Readonly<Record<string, string>>;
  /** Full name to value. A test may change it at any time. */
  readonly parameters: Map<string, string>;
  /** The messages that were put, by `group:stream`. */
  readonly logs: ReadonlyMap<string, readonly string[]>;
  /** A test may make CloudWatch Logs fail, and work again, at any time. */
  isLogsDown: boolean;
}

/** A refusal in the words of the services. */
class Refusal extends Error {
  constructor(code: string, message: string) {
    super(message);
    this.name = code;
  }
}

type Input = Readonly<Record<string, unknown>>;

/** GetParametersByPath: most results of a page. Source: SSM API reference, MaxResults. */
const PAGE_PARAMETERS_MAX = 10;

/** GetParameters: most names. Source: SSM API reference, Names. */
const NAMES_MAX = 10;

const REGION = "eu-central-1";

/** Starts it on loopback. @param parameters full name to value */
export async function startFakeAws(parameters: Readonly<Record<string, string>>): Promise<FakeAws> {
  const store = new Map(Object.entries(parameters));
  const logs = new Map<string, string[]>();
  const groups = new Set<string>();
  const operations: Readonly<Record<string, (input: Input) => unknown>> = {
    "AmazonSSM.GetParametersByPath": (input) => byPath(store, input),
    "AmazonSSM.GetParameters": (input) => byName(store, input),
    "Logs_20140328.CreateLogGroup": ({ logGroupName }) => {
      if (groups.has(`${logGroupName}`)) throw exists("group");
      groups.add(`${logGroupName}`);
      return {};
    },
    "Logs_20140328.CreateLogStream": ({ logGroupName, logStreamName }) => {
      if (!groups.has(`${logGroupName}`)) throw missing("group");
      if (logs.has(`${logGroupName}:${logStreamName}`)) throw exists("stream");
      logs.set(`${logGroupName}:${logStreamName}`, []);
      return {};
    },
    "Logs_20140328.PutLogEvents": (input) => putEvents(logs, input),
  };

  let isLogsDown = false;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = request.headers["x-amz-target"]?.toString() ?? "";
    let status = 200;
    let answer: unknown;
    try {
      const input = (await json(request)) as Input;
      const operation = operations[target];
      if (isLogsDown && target.startsWith("Logs_")) {
        throw new Refusal("ServiceUnavailableException", "The service is down");
      }
      if (operation === undefined) throw new Refusal("UnknownOperationException", target);
      answer = operation(input);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      status = 400;
      answer = { __type: error.name, message: error.message };
    }
    const body = JSON.stringify(answer);
    response.writeHead(status, {
      "content-type": "application/x-amz-json-1.1",
      "content-length": Buffer.byteLength(body),
    });
    response.end(body);
  }

  const server = createServer((request, response) => {
    // An agent that is killed in mid-request has no use for an answer.
    handle(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint,
    parameters: store,
    logs,
    get isLogsDown() {
      return isLogsDown;
    },
    set isLogsDown(isDown) {
      isLogsDown = isDown;
    },
    env: {
      AWS_ENDPOINT_URL_SSM: endpoint,
      AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: endpoint,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: "fake-aws",
      AWS_SECRET_ACCESS_KEY: `${SECRET_MARK}-fake-aws`,
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      NO_PROXY: "127.0.0.1",
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function byPath(store: ReadonlyMap<string, string>, input: Input): unknown {
  const { Path, MaxResults = PAGE_PARAMETERS_MAX, NextToken = "0", Recursive = false } = input;
  const size = Number(MaxResults);
  if (size < 1 || size > PAGE_PARAMETERS_MAX) {
    throw new Refusal("ValidationException", "MaxResults must be 1 to 10");
  }
  const path = `${Path}`.replace(/\/?$/, "/");
  const all = [...store]
    .filter(([name]) => name.startsWith(path))
    .filter(([name]) => Recursive === true || !name.slice(path.length).includes("/"))
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const start = Number(NextToken);
  const end = start + size;
  return {
    Parameters: all.slice(start, end).map(parameterOf),
    ...(end < all.length ? { NextToken: `${end}` } : {}),
  };
}

function byName(store: ReadonlyMap<string, string>, { Names }: Input): unknown {
  const names = Array.isArray(Names) ? Names.map(String) : [];
  if (names.length < 1 || names.length > NAMES_MAX) {
    throw new Refusal("ValidationException", "Names must have 1 to 10 members");
  }
  const found = [...store].filter(([name]) => names.includes(name));
  return {
    Parameters: found.map(parameterOf),
    InvalidParameters: names.filter((name) => !store.has(name)),
  };
}

/** Long ago, so that no change has to settle. In seconds. */
const LAST_MODIFIED_AT = 1_700_000_000;

function parameterOf([name, value]: readonly [string, string]): unknown {
  return {
    Name: name,
    Type: "String",
    Value: value,
    Version: 1,
    LastModifiedDate: LAST_MODIFIED_AT,
    ARN: `arn:aws:ssm:${REGION}:111122223333:parameter${name}`,
    DataType: "text",
  };
}

function putEvents(logs: ReadonlyMap<string, string[]>, input: Input): unknown {
  const stream = logs.get(`${input["logGroupName"]}:${input["logStreamName"]}`);
  if (stream === undefined) throw missing("stream");
  const events = input["logEvents"] as readonly { timestamp: number; message: string }[];
  const { taken, tooOld, tooNew } = batchOf(events);
  stream.push(...taken.map(({ message }) => message));
  if (tooOld + tooNew === 0) return {};
  return {
    rejectedLogEventsInfo: {
      ...(tooOld === 0 ? {} : { tooOldLogEventEndIndex: tooOld }),
      ...(tooNew === 0 ? {} : { tooNewLogEventStartIndex: events.length - tooNew }),
    },
  };
}

function batchOf(events: readonly { readonly timestamp: number; readonly message: string }[]) {
  try {
    return takeBatch(events, Date.now());
  } catch (error) {
    throw new Refusal("InvalidParameterException", messageOf(error));
  }
}

function missing(what: string): Refusal {
  return new Refusal("ResourceNotFoundException", `The specified log ${what} does not exist.`);
}

function exists(what: string): Refusal {
  return new Refusal("ResourceAlreadyExistsException", `The specified log ${what} already exists`);
}
