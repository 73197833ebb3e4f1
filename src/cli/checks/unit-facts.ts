import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { UNIT } from "../../host/unit-drop-in.ts";
import { COMMAND_MS_MAX } from "./time-checks.ts";

const run = promisify(execFile);

const PROPERTIES = [
  ...["LoadState", "ActiveState", "SubState", "UnitFileState", "User", "Result"],
  ...["AmbientCapabilities", "MainPID"],
];

/** What systemd says of the unit. */
export type UnitFacts = Readonly<Record<string, string>>;

type Environment = Readonly<Record<string, string | undefined>>;

/** @param env with the PATH @throws Error where systemd does not run, or does not answer in time */
export async function askSystemd(env: Environment): Promise<UnitFacts> {
  const args = ["show", UNIT, "--no-pager", "-p", PROPERTIES.join(",")];
  const { stdout } = await run("systemctl", args, optionsOf(env));
  const lines = stdout.split("\n").map((line) => /^(\w+)=(.*)$/.exec(line));
  return Object.fromEntries(lines.flatMap((line) => (line === null ? [] : [[line[1], line[2]]])));
}

/** @returns undefined for a user that there is only while the unit runs, or not at all */
export async function uidOf(user: string, env: Environment): Promise<number | undefined> {
  if (user === "") return 0;
  if (/^\d+$/.test(user)) return Number(user);
  try {
    return Number((await run("id", ["-u", "--", user], optionsOf(env))).stdout);
  } catch {
    return undefined;
  }
}

/**
 * The user whom systemd runs the agent as, if it gives him the capability that root reads and writes
 * others' files with: then root finds what the agent finds. Undefined otherwise.
 */
export async function unitUid(env: Environment): Promise<number | undefined> {
  try {
    const { User = "", AmbientCapabilities = "" } = await askSystemd(env);
    const isLikeRoot = AmbientCapabilities.split(" ").includes("cap_dac_override");
    return isLikeRoot ? await uidOf(User, env) : undefined;
  } catch {
    return undefined;
  }
}

function optionsOf(env: Environment) {
  return { timeout: COMMAND_MS_MAX, env: { PATH: env["PATH"] ?? "" } };
}
