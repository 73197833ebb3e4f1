import { systemClock } from "../../src/lib/clock.ts";
import { forEachConcurrently } from "../../src/lib/concurrency.ts";
import { errnoOf } from "../../src/lib/errors.ts";
import { LeaseKeeper } from "../../src/lib/leases.ts";
import { filesystemOf } from "../../src/sweep/filesystem.ts";
import { MemoryStore, sha256Of } from "../support/memory-store.ts";
import { openContext } from "../support/transfer-context.ts";
import { type Ended, PROTOCOLS, type ProtocolName } from "./race-protocols.ts";

/**
 * The agent's side of the races, a process of its own: moves the files that it is told of into a
 * store in memory, many side by side, and tells what came of each and what the store holds.
 */

/** What it is told. */
export interface Orders {
  readonly root: string;
  readonly names: readonly string[];
  readonly protocol: ProtocolName;
}

/** What it answers. */
export interface Answer {
  readonly outcomes: Readonly<Record<string, Ended>>;
  /** SHA-256 of everything in the store. */
  readonly stored: readonly string[];
}

/** As many uploads at once as the agent has by default; removals wait beside them. */
const CONCURRENCY = 8;

/** A real clock one hour ahead: the files of a test are old enough. */
const CLOCK = { ...systemClock, now: () => Date.now() + 3_600_000 };

async function move({ root, names, protocol }: Orders): Promise<Answer> {
  const store = new MemoryStore();
  await using context = await openContext(root, store, { clock: CLOCK });
  const { leases, name: filesystem } = await filesystemOf(context.directories.root.fd);
  const own = {
    ...context,
    filesystem,
    leases: leases === "none" ? undefined : context.leases,
    isLeaseProof: leases === "proof",
  };
  const outcomes: Record<string, Ended> = {};
  const removals: Promise<void>[] = [];
  await forEachConcurrently(each(names), CONCURRENCY, async (name) => {
    const run = PROTOCOLS[protocol];
    const remove = await run(own, name).catch((error: unknown) => async () => failed(error));
    const removal = remove()
      .catch(failed)
      .then((ended) => {
        outcomes[name] = ended;
      });
    removals.push(removal);
  });
  await Promise.all(removals);
  return { outcomes, stored: [...store.objects.values()].map(sha256Of) };
}

async function* each(names: readonly string[]): AsyncGenerator<string> {
  yield* names;
}

function failed(error: unknown): Ended {
  const outcome = `failed ${errnoOf(error) ?? String(error)}`;
  return { outcome, wasOpenedLate: false, rescuedAs: undefined };
}

// Protocols that let a lease go at once may have it broken in that moment: SIGIO must not kill.
const keeper = new LeaseKeeper();
process.on("message", async (orders: Orders) => process.send?.(await move(orders)));
process.on("disconnect", () => keeper[Symbol.dispose]());
