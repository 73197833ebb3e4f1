import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { lastLinesOf } from "../last-lines.ts";
import { endAtLast } from "../leftover-children.ts";

/** A booting or booted root. */
export interface Container {
  /** Process id of its systemd, as this process sees it. */
  readonly leader: number;
  /** Its exit code, or the signal that killed it. */
  readonly ended: Promise<number | string>;
  /** What its console showed last. */
  console(): string;
  /** SIGKILL for all its processes at once. Resolves when they are gone. */
  kill(): Promise<void>;
}

/** Hosts boot in a second; a busy machine takes some. */
const START_MS_MAX = 60_000;
const POLL_MS = 20;

/** How nspawn tells that a root wants to be booted again, where it has been told to keep its unit. */
export const WANTS_REBOOT = 133;

/**
 * Boots a root by systemd-nspawn. It shares the network of this machine, so servers on 127.0.0.1 are
 * reachable, and nothing else: it has a control group of its own (two systemd in one would end each
 * other's services), as a pure version 2 hierarchy, which is what all supported distributions boot with.
 *
 * nspawn is the first process of a PID namespace: however it ends, the kernel ends all that is in
 * the root, and it ends with this process, however that ends.
 * @param name a host name, unique on this machine
 * @throws Error with the last lines of its console if it does not come up
 */
export async function startContainer(root: string, name: string): Promise<Container> {
  const groups = controlGroupsOf(name);
  for (const group of groups) await mkdir(group, { recursive: true });
  const child = endAtLast(
    spawn(
      "sh",
      [
        "-c",
        'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"',
        ...["sh", ...groups],
        ...["--", "setpriv", "--pdeathsig", "KILL"],
        ...["--", "unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"],
        ...["--", "systemd-nspawn", "--boot", `--directory=${root}`, `--machine=${name}`],
        ...["--register=no", "--keep-unit", "--settings=no", "--console=passive"],
        ...["--resolv-conf=off", "--timezone=off", "--link-journal=no"],
      ],
      {
        env: { PATH: process.env["PATH"], SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1" },
        stdio: ["ignore", "pipe", "pipe"],
      },
    ),
  );
  const lastLines = lastLinesOf(child.stdout, child.stderr);
  let isEnded = false;
  const ended = once(child, "close").then(async ([code, signal]) => {
    isEnded = true;
    await removeControlGroups(name);
    return code ?? signal;
  });
  const console = () => lastLines.join("\n");
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  const giveUpAt = performance.now() + START_MS_MAX;
  while (!isEnded && performance.now() < giveUpAt) {
    const leader = await onlyChildOf(await onlyChildOf(child.pid));
    // The socket on which systemd answers, in the root's own /run.
    if (leader !== undefined && existsSync(`/proc/${leader}/root/run/systemd/private`)) {
      return { leader, ended, console, kill };
    }
    await delay(POLL_MS);
  }
  await kill();
  throw new Error(`${name} did not boot:\n${console()}`);
}

async function onlyChildOf(pid: number | undefined): Promise<number | undefined> {
  if (pid === undefined) return undefined;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return children === "" ? undefined : Number.parseInt(children, 10);
}

/** Folders of the control groups of this process that systemd manages, in either version. */
function ownControlGroups(): readonly string[] {
  const root = "/sys/fs/cgroup";
  const unified = existsSync(join(root, "cgroup.controllers")) ? root : join(root, "unified");
  const lines = readFileSync("/proc/self/cgroup", "utf8").trim().split("\n");
  return lines.flatMap((line) => {
    const [, controllers = "", path = ""] = line.split(":");
    if (controllers === "name=systemd") return [join(root, "systemd", path)];
    return controllers === "" ? [join(unified, path)] : [];
  });
}

function controlGroupsOf(name: string): readonly string[] {
  return ownControlGroups().map((group) => join(group, name));
}

/** Removes what is left of the control groups of a container that has ended. */
export async function removeControlGroups(name: string): Promise<void> {
  for (const group of controlGroupsOf(name)) {
    if (existsSync(group)) await removeControlGroup(group);
  }
}

async function removeControlGroup(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeControlGroup(join(folder, entry.name));
  }
  // A process that has been killed leaves its group a moment later than its parent hears of it.
  for (let tries = 0; ; tries += 1) {
    try {
      return await rmdir(folder);
    } catch (error) {
      if (tries === 100) throw error;
      await delay(POLL_MS);
    }
  }
}

const ALL_NAMESPACES = ["--mount", "--uts", "--ipc", "--pid", "--cgroup"];

const PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Starts a command within a container, with the environment of a login of root. */
export function commandOn(
  leader: number,
  command: readonly string[],
  { env = {} }: { readonly env?: Readonly<Record<string, string>> },
) {
  const own = { PATH: PATHS, HOME: "/root", LANG: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" };
  const variables = Object.entries({ ...own, ...env }).map(([name, value]) => `${name}=${value}`);
  const enter = ["--target", String(leader), ...ALL_NAMESPACES];
  const args = [...enter, "--", "env", "-i", "--chdir=/", ...variables, ...command];
  return endAtLast(spawn("nsenter", args, { stdio: ["ignore", "pipe", "pipe"] }));
}
