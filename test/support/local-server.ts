import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** A request as a fake sees it. */
export interface LocalRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** `hang`: never answered. */
export type LocalAnswer = { readonly status: number; readonly body?: string } | "hang";

export interface LocalServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:41234`. */
  readonly endpoint: string;
  readonly requests: readonly LocalRequest[];
}

/** Serves on a port of loopback that the kernel chooses. */
export async function startLocalServer(
  answer: (request: LocalRequest, index: number) => LocalAnswer,
): Promise<LocalServer> {
  const requests: LocalRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const body = await text(incoming);
    const { method = "", url: path = "", headers } = incoming;
    requests.push({ method, path, headers, body });
    const given = answer({ method, path, headers, body }, requests.length - 1);
    if (given === "hang") return;
    response.writeHead(given.status);
    response.end(given.body ?? "");
  });
  return Object.assign(await listenOnLoopback(server), { requests });
}

/** Lets a server listen on a port of loopback that the kernel chooses. */
export async function listenOnLoopback(
  server: Server,
): Promise<{ readonly endpoint: string } & AsyncDisposable> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
