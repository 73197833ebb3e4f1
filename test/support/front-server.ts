import { createServer, request as forward, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** A refusal in the words of the services that speak JSON. */
export class Refusal extends Error {
  constructor(code: string, message: string) {
    super(message);
    this.name = code;
  }
}

/** Answers one operation. @throws Refusal */
export type FrontOperation = (
  input: Readonly<Record<string, unknown>>,
  headers: IncomingHttpHeaders,
) => Promise<unknown>;

/** Whether a request is to be refused, by its input. */
export type RefusesWhen = (input: Readonly<Record<string, unknown>>) => boolean;

/** A server in front of a local AWS that answers some operations in its stead. */
export interface FrontServer extends AsyncDisposable {
  readonly endpoint: string;
  /** The targets of all requests that it answered itself, in the order of their coming. */
  readonly answered: readonly string[];
  /** Resolves when it has answered a request for this target. */
  answeredOnce(target: string): Promise<void>;
  /** Requests for this target are refused with this code: all, so many, or some. */
  refuse(
    target: string,
    code: string,
    options?: { readonly times?: number; readonly when?: RefusesWhen },
  ): void;
}

interface Refused {
  readonly target: string;
  readonly code: string;
  readonly when: RefusesWhen;
  left: number;
}

/** Starts it on loopback. @param operations by `X-Amz-Target`; all others go to `upstream` */
export async function startFrontServer(
  upstream: string,
  operations: Readonly<Record<string, FrontOperation>>,
): Promise<FrontServer> {
  const answered: string[] = [];
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  const waitFor = (target: string) => {
    const known = waiting.get(target) ?? Promise.withResolvers<void>();
    waiting.set(target, known);
    return known;
  };
  const refusals: Refused[] = [];
  const server = createServer((incoming, outgoing) => {
    const target = incoming.headers["x-amz-target"]?.toString() ?? "";
    const operation = operations[target];
    const pass = (body: Buffer) => {
      const { method, headers } = incoming;
      const passed = forward(upstream + incoming.url, { method, headers, agent: false });
      passed.on("response", (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      passed.on("error", () => outgoing.destroy());
      passed.end(body);
    };
    const send = (status: number, value: unknown) => {
      outgoing.writeHead(status, { "content-type": "application/x-amz-json-1.1" });
      outgoing.end(JSON.stringify(value));
    };
    const answer = async () => {
      const body = await buffer(incoming);
      const candidates = refusals.filter((one) => one.target === target && one.left > 0);
      if (operation === undefined && candidates.length === 0) return pass(body);
      const input = JSON.parse(body.toString());
      const refusal = candidates.find(({ when }) => when(input));
      if (operation === undefined && refusal === undefined) return pass(body);
      answered.push(target);
      if (refusal !== undefined) {
        refusal.left -= 1;
        throw new Refusal(refusal.code, `refused for the test: ${refusal.code}`);
      }
      send(200, await operation?.(input, incoming.headers));
      waitFor(target).resolve();
    };
    answer().catch((error: Error) => {
      if (error instanceof Refusal) send(400, { __type: error.name, message: error.message });
      else outgoing.destroy(error);
    });
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answered,
    answeredOnce: (target) => waitFor(target).promise,
    refuse(target, code, { times = Number.POSITIVE_INFINITY, when = () => true } = {}) {
      refusals.push({ target, code, when, left: times });
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      await promise;
    },
  };
}
