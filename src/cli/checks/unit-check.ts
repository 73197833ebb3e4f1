import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { type Check, ok, problem, type Verdict, warning } from "./check.ts";
import { COMMAND_MS_MAX } from "./time-checks.ts";

const run = promisify(execFile);

const UNIT = "s3-offload-agent.service";

const PROPERTIES = [
  ...["LoadState", "ActiveState", "SubState", "UnitFileState", "User", "Result"],
  "AmbientCapabilities",
];

/** What systemd says of the unit. */
export type UnitFacts = Readonly<Record<string, string>>;

/** Whether systemd runs the agent as it should, and as whom. @param env with the PATH */
export function unitCheck(
  stateDirectory: string,
  env: Readonly<Record<string, string | undefined>>,
): Check {
  return {
    name: "unit",
    about: UNIT,
    async run() {
      const options = optionsOf(env);
      let facts: UnitFacts;
      try {
        facts = await askSystemd(options);
      } catch (error) {
        const isLate = error instanceof Error && "killed" in error && error.killed === true;
        if (!isLate) return ok("systemd does not run here; whoever starts the agent sees to it");
        return warning(
          `systemd does not answer within ${COMMAND_MS_MAX / 1_000} seconds.`,
          "See whether the host is overloaded, and journalctl -b -u systemd.",
        );
      }
      const uid = await uidOf(facts["User"] ?? "", options);
      const owner = await stat(stateDirectory).catch(() => undefined);
      return unitVerdict(facts, { uid, ownerUid: owner?.uid, stateDirectory });
    },
  };
}

/**
 * The user whom systemd runs the agent as, if it gives him the capability that root reads and writes
 * others' files with: then root finds what the agent finds. Undefined otherwise.
 */
export async function unitUid(
  env: Readonly<Record<string, string | undefined>>,
): Promise<number | undefined> {
  const options = optionsOf(env);
  try {
    const { User = "", AmbientCapabilities = "" } = await askSystemd(options);
    const isLikeRoot = AmbientCapabilities.split(" ").includes("cap_dac_override");
    return isLikeRoot ? await uidOf(User, options) : undefined;
  } catch {
    return undefined;
  }
}

interface CommandOptions {
  readonly timeout: number;
  readonly env: { readonly PATH: string };
}

function optionsOf(env: Readonly<Record<string, string | undefined>>): CommandOptions {
  return { timeout: COMMAND_MS_MAX, env: { PATH: env["PATH"] ?? "" } };
}

async function askSystemd(options: CommandOptions): Promise<UnitFacts> {
  const args = ["show", UNIT, "--no-pager", "-p", PROPERTIES.join(",")];
  return parseFacts((await run("systemctl", args, options)).stdout);
}

function parseFacts(shown: string): UnitFacts {
  const lines = shown.split("\n").map((line) => /^(\w+)=(.*)$/.exec(line));
  return Object.fromEntries(lines.flatMap((line) => (line === null ? [] : [[line[1], line[2]]])));
}

/** @returns undefined for a user that there is only while the unit runs, or not at all */
async function uidOf(user: string, options: CommandOptions): Promise<number | undefined> {
  if (user === "") return 0;
  if (/^\d+$/.test(user)) return Number(user);
  try {
    return Number((await run("id", ["-u", "--", user], options)).stdout);
  } catch {
    return undefined;
  }
}

/** Pure. @param about.ownerUid of the state directory; undefined: it is not there */
export function unitVerdict(
  facts: UnitFacts,
  about: {
    readonly uid: number | undefined;
    readonly ownerUid: number | undefined;
    readonly stateDirectory: string;
  },
): Verdict {
  const of = (name: string) => facts[name] ?? "";
  const { uid, ownerUid, stateDirectory } = about;
  const user = of("User") || "root";
  if (of("LoadState") === "not-found") {
    return ok("there is none; whoever starts the agent sees to it");
  }
  // As in a chroot, where systemctl asks nobody.
  if (of("LoadState") === "") return ok("systemd says nothing of it");
  if (of("LoadState") !== "loaded") {
    return problem(
      `systemd cannot use it: ${of("LoadState")}.`,
      `See systemctl status ${UNIT}; a masked one is let free by systemctl unmask ${UNIT}.`,
    );
  }
  const state = `${of("ActiveState")} (${of("SubState")}), ${of("UnitFileState") || "not enabled"}, as user ${user}`;
  if (of("ActiveState") === "failed") {
    return problem(
      `It has failed (${of("Result")}).`,
      `See why with journalctl -u ${UNIT} -n 50, mend it, then systemctl restart ${UNIT}.`,
    );
  }
  const isEnabled = of("UnitFileState").startsWith("enabled");
  if (of("ActiveState") === "inactive") {
    return isEnabled
      ? problem(`It is enabled, and does not run.`, `Start it: systemctl start ${UNIT}.`)
      : warning(
          `It is neither enabled nor running.`,
          `If the agent is to run here: systemctl enable --now ${UNIT}.`,
        );
  }
  if (uid !== undefined && ownerUid !== undefined && uid !== 0 && uid !== ownerUid) {
    return problem(
      `It runs as ${user} (${uid}), and the state directory belongs to user ${ownerUid}.`,
      `Give it over: chown -R ${user}: ${stateDirectory}.`,
    );
  }
  if (of("SubState") === "auto-restart") {
    return problem(
      `It ends again and again: ${state}, ${of("Result")}.`,
      `See why with journalctl -u ${UNIT} -n 50.`,
    );
  }
  if (!isEnabled) {
    return warning(
      `It is ${state}: it will not be there after a reboot.`,
      `systemctl enable ${UNIT}`,
    );
  }
  return ok(state);
}
