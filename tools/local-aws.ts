import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { get } from "node:http";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A running local AWS. It forgets everything when it stops. */
export interface LocalAws extends AsyncDisposable {
  /** Its only address, for every service, such as `http://127.0.0.1:41234`. */
  readonly endpoint: string;
  /** The process id of the server, which is a child of this process. */
  readonly pid: number;
  /** The environment variables that make a program use it, and only it. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * A whole environment for a program: `base` without any AWS variable of its owner (a profile
   * would win over the keys of `env`), plus `env`.
   * @param base the environment to start from; this process's own when left out.
   */
  environment(base?: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
  /** Ends the server and resolves when it is gone. Stopping twice is fine. */
  stop(): Promise<void>;
}

const PYTHON = fileURLToPath(new URL("../.venv/bin/python3", import.meta.url));

/**
 * What the child runs: moto on a port of the kernel's choice, so that there is none to race for.
 * It ends with its standard input. The kernel closes that however this process dies, SIGKILL
 * included, and no other process holds the writing end (Node opens it close-on-exec).
 */
const SERVER = `
import os, sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
os._exit(0)
`;

import { SECRET_MARK } from "./marks.ts";

/** Long enough for a cold start on a busy machine (measured: 1 to 3 s): no hang is for ever. */
const START_MS_MAX = 60_000;

/** How much of the child's standard error an error message repeats. */
const LAST_LINES_MAX = 10;

/**
 * Starts a local AWS (moto in server mode) on loopback, for the demo and the integration tests.
 * The server never outlives this process.
 * @param options.signal aborting it stops the server, at any time.
 * @param options.python an interpreter that has moto; the one of `npm run setup` when left out.
 * @returns the server, which answers requests already.
 * @throws the signal's reason when aborted while starting; an Error with the child's last lines
 *   when it ends or does not answer within 60 s, and with what to do when moto is not installed.
 */
export async function startLocalAws(
  options: { signal?: AbortSignal; python?: string } = {},
): Promise<LocalAws> {
  const { signal, python = PYTHON } = options;
  signal?.throwIfAborted();
  if (!existsSync(python)) {
    throw new Error(`the local AWS is not installed (no ${python}): run "npm run setup"`);
  }
  const child = spawn(python, ["-I", "-c", SERVER], {
    cwd: "/",
    // A session of its own: Ctrl-C in the demo is for the agent, which still needs its AWS to stop.
    detached: true,
    // Nothing of the owner's AWS settings, so that moto could not use them by mistake.
    env: { PATH: process.env["PATH"] },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const lastLines: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    lastLines.push(line);
    if (lastLines.length > LAST_LINES_MAX) lastLines.shift();
  });
  // A failed spawn has no process to wait for: the rejection of `once` is its end.
  const ended = once(child, "close").then(
    ([code, killedBy]) => new Error(`it ended with ${killedBy ?? `exit code ${code}`}`),
    (error: Error) => error,
  );
  const stop = async (): Promise<void> => {
    signal?.removeEventListener("abort", stop);
    // SIGKILL: there is no state to save. Node never signals a process that it has seen end.
    child.kill("SIGKILL");
    await ended;
  };
  signal?.addEventListener("abort", stop);
  try {
    const starting = AbortSignal.any([
      AbortSignal.timeout(START_MS_MAX),
      ...(signal === undefined ? [] : [signal]),
    ]);
    const started = waitUntilReady(createInterface({ input: child.stdout }), starting);
    const endpoint = await Promise.race([started, ended.then((error) => Promise.reject(error))]);
    return describe(endpoint, child, stop);
  } catch (error) {
    await stop();
    signal?.throwIfAborted();
    const why = [error instanceof Error ? error.message : String(error), ...lastLines].join("\n");
    throw new Error(`the local AWS did not start ("npm run setup" installs it): ${why}`, {
      cause: error,
    });
  }
}

/** Reads the port that the child announces and waits until it answers a request there. */
async function waitUntilReady(stdout: Interface, signal: AbortSignal): Promise<string> {
  const [line] = await once(stdout, "line", { signal });
  if (!/^\d+$/.test(line)) throw new Error(`it said "${line}" where its port was expected`);
  const endpoint = `http://127.0.0.1:${line}`;
  // No agent: neither a proxy of the environment nor a connection that stays open.
  const [response] = await once(get(`${endpoint}/moto-api/`, { agent: false, signal }), "response");
  response.resume();
  return endpoint;
}

function describe(endpoint: string, child: ChildProcess, stop: () => Promise<void>): LocalAws {
  const env = {
    AWS_ENDPOINT_URL: endpoint,
    // The endpoint of one service wins over the general one, and the owner may have set it.
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_ENDPOINT_URL_SSM: endpoint,
    AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: endpoint,
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "false",
    AWS_REGION: "eu-central-1",
    AWS_DEFAULT_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "local-aws",
    AWS_SECRET_ACCESS_KEY: `${SECRET_MARK}-local-aws`,
    AWS_SESSION_TOKEN: "",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    NO_PROXY: "127.0.0.1",
  };
  return {
    endpoint,
    // Only a failed spawn has no process id, and that never gets this far.
    pid: child.pid ?? 0,
    env,
    environment(base = process.env) {
      const others = Object.entries(base).filter(([name]) => !name.startsWith("AWS_"));
      return { ...Object.fromEntries(others), ...env };
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
