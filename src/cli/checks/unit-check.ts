import { stat } from "node:fs/promises";
import { UNIT } from "../../host/unit-drop-in.ts";
import { type Check, ok, problem, type Verdict, warning } from "./check.ts";
import { COMMAND_MS_MAX } from "./time-checks.ts";
import { askSystemd, type UnitFacts, uidOf } from "./unit-facts.ts";

/** Whether systemd runs the agent as it should, and as whom. @param env with the PATH */
export function unitCheck(
  stateDirectory: string,
  env: Readonly<Record<string, string | undefined>>,
): Check {
  return {
    name: "unit",
    about: UNIT,
    async run() {
      let facts: UnitFacts;
      try {
        facts = await askSystemd(env);
      } catch (error) {
        const isLate = error instanceof Error && "killed" in error && error.killed === true;
        if (!isLate) return ok("systemd does not run here; whoever starts the agent sees to it");
        return warning(
          `systemd does not answer within ${COMMAND_MS_MAX / 1_000} seconds.`,
          "See whether the host is overloaded, and journalctl -b -u systemd.",
        );
      }
      const uid = await uidOf(facts["User"] ?? "", env);
      const owner = await stat(stateDirectory).catch(() => undefined);
      return unitVerdict(facts, { uid, ownerUid: owner?.uid, stateDirectory });
    },
  };
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
