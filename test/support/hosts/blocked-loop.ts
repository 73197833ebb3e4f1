import { once } from "node:events";
import { get } from "node:http";
import { json } from "node:stream/consumers";
import type { SystemdHost } from "./systemd-host.ts";

/** Where a Node that gets SIGUSR1 lets debuggers in, if nobody listens there already. */
const INSPECTOR = "http://127.0.0.1:9229/json/list";

/**
 * Blocks the event loop of a running Node for ever, as an endless loop in its own code would: by
 * its debugger, which any Node has, so the program is the one that was installed.
 */
export async function blockEventLoop(host: SystemdHost, pid: number): Promise<void> {
  await host.must(["kill", "-USR1", String(pid)]);
  const url = await host.until("the debugger", async () => {
    const targets = await ask().catch(() => []);
    return targets[0]?.webSocketDebuggerUrl;
  });
  const socket = new WebSocket(url);
  await once(socket, "open");
  const evaluate = { id: 1, method: "Runtime.evaluate", params: { expression: "for (;;);" } };
  socket.send(JSON.stringify(evaluate));
  // It ends with the process: there is no answer to wait for.
  socket.addEventListener("error", () => {});
}

async function ask(): Promise<readonly { readonly webSocketDebuggerUrl: string }[]> {
  const [response] = await once(get(INSPECTOR, { agent: false }), "response");
  return (await json(response)) as { readonly webSocketDebuggerUrl: string }[];
}
