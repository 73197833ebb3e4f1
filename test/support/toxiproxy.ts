import { type ChildServer, startChildServer } from "./child-server.ts";

/** Which way the bytes go that a toxic spoils: to the server, or back to the client. */
export type Stream = "upstream" | "downstream";

/**
 * What can be wrong with a connection; the names and attributes are toxiproxy's own.
 * `toxicity` is the part of the connections that it strikes, 1 when left out.
 */
export type Toxic = { readonly stream: Stream; readonly toxicity?: number } & (
  | { readonly type: "latency"; readonly attributes: { latency: number; jitter?: number } }
  | { readonly type: "bandwidth"; readonly attributes: { /** kB/s */ rate: number } }
  | { readonly type: "slow_close"; readonly attributes: { delay: number } }
  /** Nothing goes through; the connection is closed after so many ms, never if 0. */
  | { readonly type: "timeout"; readonly attributes: { timeout: number } }
  /** A TCP reset after so many ms. */
  | { readonly type: "reset_peer"; readonly attributes: { timeout: number } }
  /** Pieces of this many bytes, with a pause between them in microseconds. */
  | {
      readonly type: "slicer";
      readonly attributes: { average_size: number; size_variation?: number; delay?: number };
    }
  /** The connection is closed after so many bytes. */
  | { readonly type: "limit_data"; readonly attributes: { bytes: number } }
);

/** A TCP proxy in front of one server. */
export interface ToxicProxy {
  /** Such as `http://127.0.0.1:41234`. */
  readonly endpoint: string;
  /** From now on, for connections that are open already too. @returns the name, to remove it by */
  addToxic(toxic: Toxic): Promise<string>;
  removeToxic(name: string): Promise<void>;
  /** Refuses new connections and cuts those that there are. */
  disable(): Promise<void>;
  enable(): Promise<void>;
}

/** A running toxiproxy. */
export interface Toxiproxy extends AsyncDisposable {
  /** @param target an HTTP endpoint such as `http://127.0.0.1:41234` */
  proxyFor(target: string): Promise<ToxicProxy>;
}

/** Starts a toxiproxy on loopback, without proxies. It never outlives this process. */
export async function startToxiproxy(): Promise<Toxiproxy> {
  const server: ChildServer = await startChildServer({
    program: "toxiproxy-server",
    // The seed: which connections a toxicity below 1 strikes is then the same in every run.
    args: ["-host", "127.0.0.1", "-port", "0", "-seed", "1"],
  });
  const api = `http://127.0.0.1:${server.port}`;
  let proxies = 0;
  let toxics = 0;

  async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(api + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`toxiproxy: ${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  return {
    async proxyFor(target) {
      proxies += 1;
      const name = `proxy-${proxies}`;
      const upstream = new URL(target).host;
      const made = await ask("POST", "/proxies", { name, listen: "127.0.0.1:0", upstream });
      const { listen } = made as { listen: string };
      return {
        endpoint: `http://${listen}`,
        async addToxic(toxic) {
          toxics += 1;
          await ask("POST", `/proxies/${name}/toxics`, { name: `toxic-${toxics}`, ...toxic });
          return `toxic-${toxics}`;
        },
        async removeToxic(toxic) {
          await ask("DELETE", `/proxies/${name}/toxics/${toxic}`);
        },
        async disable() {
          await ask("POST", `/proxies/${name}`, { enabled: false });
        },
        async enable() {
          // The port must stay the one that the client knows.
          await ask("POST", `/proxies/${name}`, { listen, upstream, enabled: true });
        },
      };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
