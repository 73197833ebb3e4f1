import { once } from "node:events";
import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** One request as a service would see it. */
export interface PassingRequest {
  readonly method: string;
  readonly path: string;
  /** The operation, such as `GetParameters`, `PutObject` or `GetCallerIdentity`; HEAD for that. */
  readonly operation: string;
  readonly body: string;
  /** The time that it is signed for, in wall-clock milliseconds; not a number: it is not signed. */
  readonly signedAt: number;
}

export interface ForeignAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A proxy in front of a local AWS that answers some requests itself, as IAM or S3 would. */
export interface RefusingProxy extends AsyncDisposable {
  readonly endpoint: string;
  /** The variables that lead every service through it. */
  readonly env: Readonly<Record<string, string>>;
  readonly requests: readonly PassingRequest[];
}

/**
 * Starts it on loopback.
 * @param options.answer its own answer; undefined: the request passes
 * @param options.aheadMs how far the services' clock, as answers tell it, is ahead of the host's
 */
export async function startRefusingProxy(
  target: string,
  options: {
    readonly answer?: (request: PassingRequest) => ForeignAnswer | undefined;
    readonly aheadMs?: number;
  },
): Promise<RefusingProxy> {
  const requests: PassingRequest[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const { method = "", url: path = "", headers } = incoming;
    const body = await text(incoming);
    const operation = operationOf(method, `${headers["x-amz-target"] ?? ""}`, body);
    const signedAt = timeOf(`${headers["x-amz-date"] ?? ""}`);
    const request = { method, path, operation, body, signedAt };
    requests.push(request);
    const date = new Date(Date.now() + (options.aheadMs ?? 0)).toUTCString();
    const own = options.answer?.(request);
    if (own !== undefined) {
      outgoing.writeHead(own.status, { ...own.headers, date });
      outgoing.end(own.body ?? "");
      return;
    }
    const passed = forward(target + path, { method, headers, agent: false });
    passed.on("response", (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, date });
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    passed.end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const names = ["", "_S3", "_SSM", "_CLOUDWATCH_LOGS", "_STS"];
  return {
    endpoint,
    env: Object.fromEntries(names.map((name) => [`AWS_ENDPOINT_URL${name}`, endpoint])),
    requests,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function operationOf(method: string, target: string, body: string): string {
  if (target !== "") return target.slice(target.indexOf(".") + 1);
  if (method === "POST") return new URLSearchParams(body).get("Action") ?? "";
  return method === "PUT" ? "PutObject" : method;
}

/** Reads `20261124T120000Z`. */
function timeOf(text: string): number {
  return Date.parse(text.replace(/^(....)(..)(..)T(..)(..)/, "$1-$2-$3T$4:$5:"));
}

/** What IAM lets the services with JSON say. */
export function denied(message = "User: arn:aws:iam::1:user/x is not authorized"): ForeignAnswer {
  return {
    status: 400,
    headers: { "content-type": "application/x-amz-json-1.1" },
    body: JSON.stringify({ __type: "AccessDeniedException", message }),
  };
}

/** A refusal of S3. */
export function s3Refusal(status: number, code: string, message = "No"): ForeignAnswer {
  return {
    status,
    headers: { "content-type": "application/xml" },
    body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
  };
}
