import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { LocalBootstrap } from "../../config/bootstrap.ts";
import { accessOf, type Mount, type MountAccess, parseMounts } from "../../host/mounts.ts";
import { DROP_IN_FILE, UNIT } from "../../host/unit-drop-in.ts";
import { AgentError } from "../../lib/errors.ts";
import { lookAtRoot } from "../allowed-directory.ts";
import type { DaemonReport } from "../daemon-status.ts";
import { readDropIn, type UnitHost, variableFile, wantedDropIn } from "../write-access.ts";
import { type Check, ok, problem, type Verdict, warning } from "./check.ts";
import { askSystemd, type UnitFacts } from "./unit-facts.ts";

const RESTART = `systemctl restart ${UNIT}`;

/** How a running unit sees an allowed root. */
export interface UnitsView {
  /** By the mounts of the unit's process. */
  readonly access: MountAccess;
  /** Whether what it finds at the path is what the host has there. */
  readonly isSame: boolean;
}

/**
 * Whether the unit may write what the bootstrap file allows: what systemd will give it, and for each
 * root what the running one has. None where systemd knows no such unit.
 * @param bootstrapFile absolute
 */
export async function writeAccessChecks(
  local: LocalBootstrap,
  bootstrapFile: string,
  host: UnitHost,
): Promise<readonly Check[]> {
  const { LoadState, MainPID }: UnitFacts = await askSystemd(host.env).catch(() => ({}));
  if (LoadState !== "loaded") return [];
  const name = "unit's write access";
  const dropIn = {
    name,
    about: DROP_IN_FILE,
    run: () => dropInCheck(local, bootstrapFile, host),
  };
  const pid = Number(MainPID ?? 0);
  if (pid === 0) return [dropIn];
  const roots = local.allowedRoots.map((root) => resolve("/", root));
  return [dropIn, ...roots.map((about) => ({ name, about, run: () => rootCheck(about, pid) }))];
}

async function dropInCheck(
  local: LocalBootstrap,
  bootstrapFile: string,
  host: UnitHost,
): Promise<Verdict> {
  const variableIn = await variableFile(host);
  if (variableIn !== undefined)
    return ok(`made at each start, of the roots that ${variableIn} sets`);
  if (process.geteuid?.() !== 0) return ok("only root can tell whether it is as it must be");
  const [wanted, found] = [await wantedDropIn(local, bootstrapFile, host), await readDropIn(host)];
  return dropInVerdict(found, wanted);
}

/** Pure. @param found undefined: there is none */
export function dropInVerdict(
  found: string | undefined,
  wanted: {
    readonly text: string;
    readonly leftOut: readonly { readonly reason: string; readonly wayOut: string }[];
  },
): Verdict {
  const [first] = wanted.leftOut;
  if (first !== undefined) return problem(first.reason, first.wayOut);
  if (found === wanted.text) return ok("as the bootstrap file says");
  // An agent that no unit starts needs none, and the unit's start makes it.
  if (found === undefined) return ok("not made yet; the unit's start makes it");
  return warning(
    "It is not what the bootstrap file says: somebody has changed one of them.",
    `s3-offload-agent allow --sync, then ${RESTART}`,
  );
}

async function rootCheck(root: string, pid: number): Promise<Verdict> {
  let realPath: string;
  try {
    const place = await lookAtRoot(root);
    if (!place.exists) return ok("not there");
    realPath = place.realPath;
  } catch (error) {
    if (error instanceof AgentError) return problem(error.message, error.hint);
    throw error;
  }
  let mounts: readonly Mount[];
  try {
    mounts = parseMounts(await readFile(`/proc/${pid}/mountinfo`, "utf8"));
    await stat(`/proc/${pid}/root/`);
  } catch {
    return ok(`only root can tell what process ${pid} may write`);
  }
  const here = await stat(realPath, { bigint: true });
  const there = await stat(`/proc/${pid}/root${realPath}`, { bigint: true }).catch(() => undefined);
  const isSame = there !== undefined && there.dev === here.dev && there.ino === here.ino;
  return rootVerdict({ access: accessOf(mounts, realPath), isSame });
}

/** Pure. */
export function rootVerdict({ access, isSame }: UnitsView): Verdict {
  if (access === "read-only") {
    return problem(
      "Its filesystem is mounted read-only.",
      "Mount it writable; see dmesg if it was the kernel's doing.",
    );
  }
  if (!isSame || access === "removed") {
    return problem(
      "The running unit sees another directory there, or none: this one was made, or mounted, after its start.",
      RESTART,
    );
  }
  if (access === "sealed") {
    return problem(
      "The running unit cannot write to it: no file could be removed.",
      `s3-offload-agent allow --sync, then ${RESTART}`,
    );
  }
  return ok("the running unit can write to it");
}

/**
 * Whether the running daemon works by the bootstrap file as it is now; it reads it at its start.
 * Pure.
 * @param changedAt of the file, in wall-clock milliseconds; undefined: it is not there
 */
export function bootstrapAgeVerdict(
  { view, liveness }: DaemonReport,
  changedAt: number | undefined,
): Verdict {
  if (liveness.kind !== "running" || view?.startedAt === undefined) {
    return ok("read at the daemon's start");
  }
  if (changedAt === undefined || changedAt <= view.startedAt) {
    return ok("as it was when the daemon started");
  }
  return warning(
    "It has changed since the daemon started, which works by the old one.",
    `If the change is wanted: ${RESTART}`,
  );
}
