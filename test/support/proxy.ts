import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";

/** A proxy in front of a local AWS that records what passes and can hold it up or refuse it. */
export interface Proxy extends AsyncDisposable {
  readonly endpoint: string;
  /** `METHOD /path?query` of each request, in the order of their coming. */
  readonly requests: readonly string[];
  /** Resolves when the n-th request (from 1) has come. */
  arrived(n: number): Promise<void>;
  /** Holds requests up until `release`. */
  hold(): void;
  release(): void;
  /**
   * Lets the n-th request (from 1) of an operation, such as `PutParameter`, be refused by IAM, or be
   * done and its answer be lost. The requests are counted from now on.
   */
  disturb(operation: string, n: number, how: "denied" | "lost"): void;
  /** Answers nothing and breaks connections from now on, or again not. */
  setBroken(isBroken: boolean): void;
}

/** Starts a proxy on loopback. */
export async function startProxy(target: string): Promise<Proxy> {
  const requests: string[] = [];
  const waiting: { n: number; resolve: () => void }[] = [];
  let gate = Promise.resolve();
  let open = () => {};
  let isBroken = false;
  let disturbed = { operation: "", left: 0, how: "denied" };
  const isDisturbed = (target: string) => {
    if (disturbed.left === 0 || !target.endsWith(`.${disturbed.operation}`)) return false;
    disturbed.left -= 1;
    return disturbed.left === 0;
  };
  const server = createServer((incoming, outgoing) => {
    requests.push(`${incoming.method} ${incoming.url}`);
    for (const { n, resolve } of waiting) if (requests.length >= n) resolve();
    if (isBroken) {
      incoming.socket.destroy();
      return;
    }
    const isChosen = isDisturbed(incoming.headers["x-amz-target"]?.toString() ?? "");
    const { how } = disturbed;
    if (isChosen && how === "denied") {
      outgoing.writeHead(400, { "content-type": "application/x-amz-json-1.1" });
      outgoing.end(JSON.stringify({ __type: "AccessDeniedException", message: "not allowed" }));
      return;
    }
    void gate.then(() => {
      // Whoever was held up for too long has gone.
      if (incoming.socket.destroyed) return;
      const passed = forward(target + incoming.url, {
        method: incoming.method,
        headers: incoming.headers,
        agent: false,
      });
      passed.on("response", (answer) => {
        if (isChosen) {
          answer.resume();
          outgoing.destroy();
          return;
        }
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      passed.on("error", () => outgoing.destroy());
      incoming.on("error", () => passed.destroy());
      incoming.pipe(passed);
    });
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async arrived(n) {
      if (requests.length >= n) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ n, resolve });
      await promise;
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      open = resolve;
    },
    release: () => open(),
    disturb(operation, n, how) {
      disturbed = { operation, left: n, how };
    },
    setBroken(value) {
      isBroken = value;
    },
    async [Symbol.asyncDispose]() {
      open();
      server.closeAllConnections();
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      await promise;
    },
  };
}
