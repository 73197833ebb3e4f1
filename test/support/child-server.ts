import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { lastLinesOf } from "./last-lines.ts";

/** A server of `build/tools`, running as a child of this process. */
export interface ChildServer extends AsyncDisposable {
  /** The port of 127.0.0.1 on which it listens. */
  readonly port: number;
  readonly pid: number;
}

const TOOLS = fileURLToPath(new URL("../../build/tools/", import.meta.url));

/** No hang is for ever: these servers are there in well under a second. */
const START_MS_MAX = 30_000;

const POLL_MS = 10;

/**
 * Starts a program of `build/tools` that has been told to listen on port 0, and finds out which
 * port the kernel gave it, so that there is none to race for. The kernel kills it when this process
 * ends, however that happens.
 * @throws Error with the child's last lines when it ends or does not listen within 30 s
 */
export async function startChildServer(options: {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}): Promise<ChildServer> {
  const path = TOOLS + options.program;
  if (!existsSync(path)) {
    throw new Error(`${options.program} is not installed: run "sh tools/setup.sh faults"`);
  }
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", path, ...options.args], {
    cwd: "/",
    env: { PATH: process.env["PATH"], ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lastLines = lastLinesOf(child.stdout, child.stderr);
  let isEnded = false;
  const ended = once(child, "close").then(
    () => {
      isEnded = true;
    },
    (error: Error) => {
      isEnded = true;
      lastLines.push(error.message);
    },
  );
  const stop = async (): Promise<void> => {
    // SIGKILL: there is no state to save. Node never signals a process that it has seen end.
    child.kill("SIGKILL");
    await ended;
  };
  const pid = child.pid ?? 0;
  const giveUpAt = performance.now() + START_MS_MAX;
  while (!isEnded && performance.now() < giveUpAt) {
    const port = await listeningPort(pid);
    if (port !== undefined) return { port, pid, [Symbol.asyncDispose]: stop };
    await delay(POLL_MS);
  }
  await stop();
  throw new Error([`${options.program} did not start`, ...lastLines].join("\n"));
}

/** The port of the first TCP socket on which a process listens; undefined if there is none yet. */
async function listeningPort(pid: number): Promise<number | undefined> {
  try {
    const fds = await readdir(`/proc/${pid}/fd`);
    const links = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`)));
    const lines = (await readFile(`/proc/${pid}/net/tcp`, "utf8")).trim().split("\n").slice(1);
    for (const line of lines) {
      // sl local_address rem_address st tx:rx tr:tm->when retrnsmt uid timeout inode
      const fields = line.trim().split(/\s+/);
      const [, local = "", , state] = fields;
      const isListening = state === "0A";
      if (isListening && links.includes(`socket:[${fields[9]}]`)) {
        return Number.parseInt(local.slice(local.indexOf(":") + 1), 16);
      }
    }
  } catch {
    // It has ended, or a descriptor was closed while we looked.
  }
  return undefined;
}
