import { readdir, rename } from "node:fs/promises";
import type { AgentRecord, FleetHost } from "../support/fleet-host.ts";
import type { TwentyAgents } from "./twenty-agents.ts";

/** So many agents start at once: to start is the most work that they ever have. */
const STARTED_AT_ONCE = 4;

/** What came of it, apart from what is in the buckets and the logs. */
export interface Played {
  /** The hashes of the configuration before and with the change. */
  readonly hashBefore: string;
  readonly hashAfter: string;
  readonly exitCodes: readonly (number | null)[];
  /** What is left in each watched directory. */
  readonly left: ReadonlyMap<string, readonly string[]>;
}

/** Plays it: from the start of the agents to their end. */
export async function playTwentyAgents(agents: TwentyAgents): Promise<Played> {
  const { roles, before, after } = agents;
  const { all, canaries, refusing, uprooted, killed, cutOff } = roles;
  const isCanary = (host: FleetHost) => canaries.includes(host);
  const each = <T>(hosts: readonly FleetHost[], work: (host: FleetHost) => Promise<T>) =>
    Promise.all(hosts.map(work));
  const transfer = async (host: FleetHost, name: string, place: typeof before) => {
    await host.write(name, [place(host, name)]);
    await host.removed(name);
  };

  // Files that were there before the agent, and the first configuration.
  await agents.applyFirst();
  await each(all, (host) => host.write("waiting.csv", [before(host, "waiting.csv")]));
  for (let n = 0; n < all.length; n += STARTED_AT_ONCE) {
    await each(all.slice(n, n + STARTED_AT_ONCE), (host) => host.start());
  }
  await each(all, (host) => host.removed("waiting.csv"));

  // The change, on some hosts.
  await agents.tryChange();
  const [hashAfter = ""] = await each(canaries, async (host) => {
    const { configHash } = await host.first("config.applied", ({ cohort }) => cohort === "canary");
    return `${configHash}`;
  });
  await each(all, (host) => transfer(host, "trial.csv", isCanary(host) ? after : before));

  // The change, on all hosts but one, while another is killed and a third is cut off.
  const giveBack = agents.cutOff();
  await agents.promoteChange();
  await killed.kill();
  await killed.write("down.csv", [before(killed, "down.csv"), after(killed, "down.csv")]);
  await killed.start();
  await cutOff.first("config.unreachable");
  await refusing.first("config.refused");
  const isChanged = ({ configHash }: AgentRecord) => configHash === hashAfter;
  const changed = all.filter((host) => host !== refusing && host !== cutOff);
  await each(changed, (host) => host.first("config.applied", isChanged));
  await killed.removed("down.csv");
  await each(changed, (host) => transfer(host, "changed.csv", after));
  await transfer(refusing, "refused.csv", before);
  await transfer(cutOff, "cut-off.csv", before);

  // What is broken is broken, what was cut off is back, and the heartbeats say so.
  giveBack();
  await rename(uprooted.watched, `${uprooted.watched}.away`);
  await uprooted.write("away.csv", [after(uprooted, "away.csv")], `${uprooted.watched}.away`);
  await uprooted.first("sweep.failed");
  await cutOff.first("config.applied", isChanged);
  await transfer(cutOff, "back.csv", after);
  await each(all, (host) =>
    host.first("agent.heartbeat", (record) => {
      if (host === refusing) return record["refusal"] !== undefined;
      if (host === uprooted) return record["sweepFailure"] !== undefined;
      return isChanged(record) && record["unreachable"] === undefined;
    }),
  );

  // Nothing is to be left.
  await rename(`${uprooted.watched}.away`, uprooted.watched);
  await uprooted.removed("away.csv");
  const ended = await each(all, (host) => host.stop());
  const left = await each(all, async ({ id, watched }) => [id, await readdir(watched)] as const);
  const { configHash: hashBefore } =
    all[0]?.records.find(({ event }) => event === "config.applied") ?? {};
  return {
    hashBefore: `${hashBefore}`,
    hashAfter,
    exitCodes: ended.map(({ exitCode }) => exitCode),
    left: new Map(left),
  };
}
