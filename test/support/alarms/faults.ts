import { constants, fstatSync } from "node:fs";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { QUARANTINE } from "../../../src/sweep/own-names.ts";
import { REFUSED, SLOW_DOWN } from "../memory-store.ts";
import type { ObservedFleet, ObservedHost } from "../observed-daemon.ts";
import { setUnremovable } from "../unremovable.ts";

/** A fault, and which alarm must tell of it. */
export interface FaultCase {
  /** Logical id of the alarm. */
  readonly alarm: string;
  readonly fault: string;
  /** Of the stack, beside those that every case has. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** For how many minutes things are wrong, and how many later the alarm is over at the latest. */
  readonly minutes: readonly [wrong: number, mended: number];
  /** The alarm can only come once things are right again. */
  readonly isToldWhenMended?: boolean;
  /** Records go through the product's spool and shipper. */
  readonly isShipped?: boolean;
  /** Alarms that may tell of it too. */
  readonly also?: readonly string[];
  /** Whom a log alarm names. */
  readonly names?: readonly string[];
  /** @param hosts `a`, `b` and `c`, which have swept and beaten for a while */
  readonly breakIt: (fleet: ObservedFleet, hosts: Hosts) => Promise<Mend>;
}

export type Hosts = Readonly<Record<"a" | "b" | "c", ObservedHost>>;
/** Puts things right again. */
export type Mend = () => Promise<unknown>;

/** All alarms that tell of a host that does no work. */
const NO_WORK = ["SweepsMissing", "HostSilent"];

export const FAULT_CASES: readonly FaultCase[] = [
  {
    alarm: "FilesFailing",
    fault: "the bucket refuses everything",
    minutes: [60, 60],
    breakIt: async ({ store }, { a }) => {
      store.reply = () => ({ ...REFUSED, code: "AccessDenied", scope: "service" });
      await a.write("refused");
      return async () => {
        store.reply = () => "store";
      };
    },
  },
  {
    alarm: "FilesFailing",
    fault: "the bucket is down",
    minutes: [60, 60],
    breakIt: async ({ store }, { a, b }) => {
      store.reply = () => SLOW_DOWN;
      await Promise.all([a.write("one"), b.write("other")]);
      return async () => {
        store.reply = () => "store";
      };
    },
  },
  {
    alarm: "SweepsFailing",
    fault: "the directory of a host that sweeps once an hour is gone",
    parameters: { FailureSeconds: "3600" },
    minutes: [240, 240],
    also: NO_WORK,
    breakIt: async (fleet, { a }) => {
      fleet.set("schedule", "rate(1 hour)");
      // Else it would refuse the change, for want of the directory.
      await fleet.pass(20);
      await rm(a.directory, { recursive: true });
      return async () => await mkdir(a.directory);
    },
  },
  {
    alarm: "OldestFileTooOld",
    fault: "a file cannot be uploaded for hours",
    parameters: { OldestFileSecondsMax: "3600" },
    minutes: [120, 60],
    also: ["FilesFailing"],
    breakIt: async ({ store }, { b }) => {
      store.reply = ({ key }) => (key.endsWith("stays") ? REFUSED : "store");
      await b.write("stays");
      return async () => await rm(join(b.directory, "stays"));
    },
  },
  {
    alarm: "SweepsMissing",
    fault: "a sweep does not come to its end",
    minutes: [60, 60],
    also: ["HostSilent", "SweepsOverrunning"],
    breakIt: async ({ store }, { b }) => {
      const held = Promise.withResolvers<void>();
      store.onPut = ({ key }) => (key.endsWith("held") ? held.promise : undefined);
      await b.write("held");
      return async () => held.resolve();
    },
  },
  {
    alarm: "SweepsMissing",
    fault: "a host's agent dies in each of its sweeps and is started again",
    minutes: [1, 60],
    also: ["HostSilent", "SweepsOverrunning"],
    breakIt: async (fleet, { b }) => {
      const mended = new AbortController();
      fleet.store.onPut = async ({ key, signal }) => {
        if (!key.endsWith("held")) return;
        const either = AbortSignal.any([signal, mended.signal]);
        await fleet.time.sleep(24 * 3_600_000, either).catch(() => undefined);
      };
      await b.write("held");
      for (let start = 0; start < 5; start += 1) {
        await fleet.pass(7);
        await b.stop();
        b.start();
      }
      return async () => mended.abort();
    },
  },
  {
    alarm: "SweepsOverrunning",
    fault: "uploads take longer than the interval, again and again",
    minutes: [120, 180],
    breakIt: async ({ store, time }, { c }) => {
      store.onPut = () => time.sleep(12 * 60_000);
      store.onDone = async () => {
        await c.write(`slow-${time.now()}`);
      };
      await c.write("slow");
      return async () => {
        store.onPut = () => undefined;
        store.onDone = () => undefined;
      };
    },
  },
  {
    alarm: "SweepsFailing",
    fault: "the watched directory is gone",
    minutes: [60, 60],
    also: NO_WORK,
    breakIt: async (_, { a }) => {
      await rm(a.directory, { recursive: true });
      return async () => await mkdir(a.directory);
    },
  },
  {
    alarm: "FleetSilent",
    fault: "all daemons stop",
    minutes: [40, 30],
    also: ["HostSilent"],
    breakIt: async (_, hosts) => {
      await stopAll(hosts);
      return async () => startAll(hosts);
    },
  },
  {
    alarm: "HostsMissing",
    fault: "a host never came up",
    parameters: { ExpectedHosts: "4" },
    minutes: [60, 30],
    breakIt: async (fleet) => {
      fleet.set("expected-hosts", "4");
      return async () => await fleet.addHost("d");
    },
  },
  {
    alarm: "HostsMissing",
    fault: "the whole fleet is silent",
    parameters: { ExpectedHosts: "3" },
    minutes: [60, 30],
    also: ["FleetSilent", "HostSilent"],
    breakIt: async (_, hosts) => {
      await stopAll(hosts);
      return async () => startAll(hosts);
    },
  },
  {
    alarm: "HostSilent",
    fault: "one daemon of three stops",
    minutes: [40, 30],
    names: ["b"],
    breakIt: async (_, { b }) => {
      await b.stop();
      return async () => b.start();
    },
  },
  {
    alarm: "HostSilent",
    fault: "one host of three lives and does not work",
    minutes: [60, 30],
    also: ["SweepsMissing", "SweepsOverrunning"],
    names: ["c"],
    breakIt: async ({ store }, { c }) => {
      const held = Promise.withResolvers<void>();
      store.onPut = () => held.promise;
      await c.write("held");
      return async () => held.resolve();
    },
  },
  {
    alarm: "ConfigurationRefused",
    fault: "somebody sets a wrong value",
    minutes: [30, 40],
    breakIt: async (fleet) => {
      fleet.set("schedule", "rate(0 minutes)");
      return async () => fleet.set("schedule", "rate(10 minutes)");
    },
  },
  {
    alarm: "ConfigurationsDiffer",
    fault: "a host stays behind for over an hour",
    minutes: [100, 40],
    also: ["ConfigurationRefused"],
    breakIt: async ({ ssm, folder }, { b }) => {
      const name = "/s3-offload-agent/hosts/b/directory";
      ssm.set(name, join(folder, "b/none"));
      return async () => ssm.set(name, b.directory);
    },
  },
  {
    alarm: "ConfigurationsDiffer",
    fault: "the Parameter Store cannot be read for over an hour",
    minutes: [100, 60],
    breakIt: async ({ ssm }) => {
      ssm.denied.add("ssm:GetParametersByPath");
      return async () => ssm.denied.clear();
    },
  },
  {
    alarm: "CredentialsNearExpiry",
    fault: "the renewal of credentials fails until they end",
    minutes: [90, 60],
    also: ["HostSilent"],
    names: ["a"],
    breakIt: async (_, { a }) => {
      a.takeCredentials();
      return async () => a.giveCredentials();
    },
  },
  {
    alarm: "QuarantineNotEmpty",
    fault: "a poison file is set aside",
    minutes: [180, 60],
    also: ["FilesFailing"],
    breakIt: async (fleet, { a }) => {
      const { store, time } = fleet;
      fleet.set("quarantine-after", "3");
      store.reply = ({ key }) => (key.endsWith("poison") ? REFUSED : "store");
      await a.write("poison");
      // Only while others succeed is it the file's own fault.
      const others = new AbortController();
      const produce = async () => {
        for (let n = 0; !others.signal.aborted; n += 1) {
          await a.write(`good-${n}`);
          await time.sleep(5 * 60_000, others.signal);
        }
      };
      void produce().catch(() => undefined);
      return async () => {
        others.abort();
        await rm(join(a.directory, QUARANTINE.toString(), "poison"));
      };
    },
  },
  {
    alarm: "FilesUndeletable",
    fault: "a file cannot be removed",
    minutes: [60, 90],
    also: ["FilesFailing"],
    breakIt: async (_, { c }) => {
      await c.write("immutable");
      await setUnremovable(c.directory, true);
      return async () => await setUnremovable(c.directory, false);
    },
  },
  {
    alarm: "LogEventsDropped",
    fault: "CloudWatch Logs is out of reach until the spool is full",
    isShipped: true,
    isToldWhenMended: true,
    minutes: [360, 60],
    // Nothing arrives: that is silence too.
    also: ["FleetSilent", "HostSilent"],
    breakIt: async ({ logs }) => {
      logs.isDown = true;
      return async () => {
        logs.isDown = false;
      };
    },
  },
  {
    alarm: "DiskNearlyFull",
    fault: "a disk fills up",
    minutes: [30, 30],
    breakIt: async (_, { b }) => {
      b.freePercent = 7;
      return async () => {
        b.freePercent = 40;
      };
    },
  },
  {
    alarm: "FileOpenedLate",
    fault: "a program opens a file in the moment of its removal, and keeps it open",
    minutes: [20, 20],
    breakIt: openLate,
  },
];

async function stopAll(hosts: Hosts): Promise<void> {
  for (const host of Object.values(hosts)) await host.stop();
}

function startAll(hosts: Hosts): void {
  for (const host of Object.values(hosts)) host.start();
}

/** So long after the upload the file has no name any more, and its lease is still held. */
const UNLINKED_MS = 260;
const READ_NOW = constants.O_RDONLY | constants.O_NONBLOCK;

/** A writer who has a handle of the file, and opens it when it has just lost its name. */
async function openLate({ store, time }: ObservedFleet, { a }: Hosts): Promise<Mend> {
  const path = join(a.directory, "late");
  await a.write("late");
  const opened = Promise.withResolvers<{ close(): Promise<void> }>();
  const strike = async () => {
    const handle = await open(path, READ_NOW);
    void time.sleep(UNLINKED_MS).then(async () => {
      if (fstatSync(handle.fd).nlink !== 0) throw new Error("it is not removed yet");
      // It waits in the kernel until the agent has let go of its lease.
      const writer = await open(`/proc/self/fd/${handle.fd}`, constants.O_WRONLY);
      await handle.close();
      opened.resolve(writer);
    });
  };
  store.onPut = async () => {
    store.onPut = () => undefined;
    await strike();
  };
  return async () => await (await opened.promise).close();
}
