import { expect } from "chai";
import { UNIT } from "./agent-host.ts";
import { NEW, OLD } from "./apt-host.ts";
import type { SystemdHost } from "./systemd-host.ts";

/** What an administrator may have done to the unit, and how it is then. */
const STATES = [
  ["stop", "enabled inactive"],
  ["disable --now", "disabled inactive"],
  ["start", "disabled active"],
  ["mask", "masked active"],
  ["mask --now", "masked inactive"],
] as const;

/**
 * Expects that the unit of a host that has the old version stays as an administrator has left it
 * over upgrades and downgrades, and that what runs is the new one then.
 * @param change brings the host to a version, and expects that it has it
 */
export async function expectStatesKept(
  host: SystemdHost,
  change: (version: string) => Promise<void>,
): Promise<void> {
  let [next, last] = [NEW, OLD];
  for (const [command, expected] of STATES) {
    await host.must(`systemctl ${command} ${UNIT}`);
    const before = await stateOf(host);
    expect(before.state, command).to.equal(expected);
    await change(next);
    const after = await stateOf(host);
    expect(after.state, command).to.equal(expected);
    // A masked one that runs is the old one still: nobody is to start it.
    expect(after.MainPID === before.MainPID, command).to.equal(command !== "start");
    [next, last] = [last, next];
  }
}

/** Whether the unit is enabled and whether it is active, in systemd's words, and as which process. */
export async function stateOf(host: SystemdHost) {
  const { stdout } = await host.run(["systemctl", "is-enabled", UNIT]);
  const { ActiveState, MainPID } = await host.unit(UNIT, "ActiveState", "MainPID");
  return { state: `${stdout.trim()} ${ActiveState}`, MainPID };
}
