import {
  mkdir,
  mkdtempDisposable,
  realpath,
  rm,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ByteBudget } from "../../src/lib/byte-budget.ts";
import type { Clock } from "../../src/lib/clock.ts";
import { Places } from "../../src/lib/concurrency.ts";
import { LeaseKeeper } from "../../src/lib/leases.ts";
import { lastSweepOf } from "../../src/sweep/host-state.ts";
import { MULTIPART_BYTES_MIN } from "../../src/sweep/part-plan.ts";
import { StateDirectory } from "../../src/sweep/state-directory.ts";
import { readStateDirectory } from "../../src/sweep/state-snapshot.ts";
import { sweep } from "../../src/sweep/sweep.ts";
import { UploadStates } from "../../src/sweep/upload-states.ts";
import { CONTENT_MARK } from "../../tools/marks.ts";
import { MemoryStore, POLICY, REFUSED, type SeenRequest, SLOW_DOWN } from "./memory-store.ts";
import { Listener } from "./sweep-place.ts";
import { openContext } from "./transfer-context.ts";

/** Sweeps of each route. The first and the second one meet failures. */
export const ROUNDS = 3;

/** Fewer places than files that want one: the routes take turns. */
const PLACES = 6;
const SMALL_FILES = 12;
const LARGE_BYTES = MULTIPART_BYTES_MIN + 2 ** 20;

/** Paths and times of one run, as they are in every other one. */
type Plain = Readonly<Record<string, unknown>>;

/** What sweeps came to, without what differs from one directory to another. */
export interface RoutesResult {
  /** By route and round: how every file ended, and what was counted. */
  readonly outcomes: Plain;
  readonly attempts: readonly Plain[];
  readonly uploaded: readonly Plain[];
  readonly sweeps: readonly Plain[];
  readonly objects: readonly string[];
  /** Uploads in parts that are still open in the store. */
  readonly uploadsOpen: readonly string[];
  readonly statesLeft: readonly string[];
}

/**
 * Watched directories, each with files that go, fail, wait, vanish, change and are large, over one
 * state directory and one store, as an agent with several routes has them.
 */
export async function makeRoutesPlace(routes: readonly string[], clock: Clock) {
  const folder = await mkdtempDisposable(join(tmpdir(), "s3oa-routes-"));
  const base = await realpath(folder.path);
  const path = join(base, "state");
  const state = await StateDirectory.open({ path, clock, bootId: "b", isReadOnly: false });
  const states = new UploadStates({ directory: join(path, "uploads"), onProblem: () => undefined });
  const store = new MemoryStore();
  store.keepsBytes = false;
  const places = new Places(PLACES);
  const shared = { clock, states, ledger: state.ledger, budget: new ByteBudget(2 ** 25) };
  const leases = new LeaseKeeper();
  const active = new Set<string>();
  const outcomes: Record<string, unknown> = {};
  const rounds = new Map<string, number>();
  const rootOf = (route: string) => join(base, route);

  store.reply = ({ operation, key }) => {
    const [route = "", name = ""] = key.split("/");
    if (name.startsWith("refused")) return REFUSED;
    const isLate = name.startsWith("large-late") && operation === "CompleteMultipartUpload";
    return isLate && rounds.get(route) === 1 ? { ...SLOW_DOWN, isRetryable: false } : "store";
  };
  store.onPut = async ({ key }: SeenRequest) => {
    // Lets the others come in between.
    for (let turn = 0; turn < key.length % 5; turn += 1) await nextTurn();
    if (key.includes("/vanishes")) await rm(join(base, key));
    if (key.endsWith("/changes-1")) await utimes(join(base, key), 1_700_000_000, 1_700_000_000);
  };

  /** What producers do before a sweep. */
  async function produce(route: string, round: number): Promise<void> {
    const root = rootOf(route);
    const file = async (name: string) => {
      await writeFile(join(root, name), `${CONTENT_MARK}, ${name} of ${route}`);
      return join(root, name);
    };
    for (let n = 0; n < SMALL_FILES; n += 1) await file(`small-${round}-${n}`);
    await file(`vanishes-${round}`);
    await file(`changes-${round}`);
    if (round === 1) {
      for (const name of ["refused-stays", "refused-goes"]) await file(name);
      for (const name of ["large-late-stays", "large-late-goes"]) {
        await truncate(await file(name), LARGE_BYTES);
      }
    }
    if (round === 2) {
      for (const name of ["refused-goes", "large-late-goes"]) await rm(join(root, name));
      await truncate(await file("large"), LARGE_BYTES);
    }
    await utimes(await file(`waits-${round}`), 5e9, 5e9);
    if (round > 1) await rm(join(root, `waits-${round - 1}`));
  }

  async function sweepRoute(route: string): Promise<void> {
    const root = rootOf(route);
    await mkdir(root);
    using share = places.share();
    await using context = await openContext(root, store, {
      ...shared,
      leases,
      asides: { active, directory: undefined, randomName: () => randomName() },
      policy: { ...POLICY, keyOf: (entry) => `${route}/${POLICY.keyOf(entry)}` },
    });
    for (let round = 1; round <= ROUNDS; round += 1) {
      rounds.set(route, round);
      await produce(route, round);
      const observer = new Listener();
      const report = await sweep({
        ...context,
        ...{ attempts: state.attempts, places: share, windowMax: 8, observer },
        ...{ concurrency: 4, quarantineAfter: 2, isDryRun: false },
        stop: new AbortController().signal,
      });
      await state.recordSweep(lastSweepOf({ route, directory: root }, report, state.problem));
      const { oldestSettledAgeSeconds: _, ...counts } = report;
      outcomes[`${route} ${round}`] = { counts, files: Object.fromEntries(observer.outcomes) };
    }
  }

  return {
    /** Once: all sweeps of each route, one after the other, and the routes as it is told. */
    async run(order: "side by side" | "one after the other"): Promise<RoutesResult> {
      if (order === "side by side") await Promise.all(routes.map(sweepRoute));
      else for (const route of routes) await sweepRoute(route);
      // What is only noted is written at the end.
      await state[Symbol.asyncDispose]();
      const { attempts, uploaded, host } = await readStateDirectory(path);
      const left = await Promise.all(
        routes.map((route) => states.list(Buffer.from(rootOf(route)))),
      );
      const plain = (of: object, ...without: readonly string[]): Plain => {
        const rest = Object.entries(of).filter(([name]) => !without.includes(name));
        const texts = rest.map(([name, value]) => [name, plainText(value, base)]);
        return Object.fromEntries(texts);
      };
      return {
        outcomes,
        attempts: attempts.map((one) => plain(one, "inode", "state")).toSorted(byText),
        uploaded: uploaded.map((one) => plain(one, "inode", "mtimeNs")).toSorted(byText),
        sweeps: host.sweeps.map((one) => plain(one, "oldestSettledAgeSeconds")).toSorted(byText),
        objects: [...store.objects.keys()].toSorted(),
        uploadsOpen: [...store.uploads.open.values()].map(({ key }) => key).toSorted(),
        statesLeft: left.flat().map(({ subject }) => subject.key),
      };
    },
    async [Symbol.asyncDispose]() {
      leases[Symbol.dispose]();
      await folder.remove();
    },
  };
}

let names = 0n;
/** Another one each time. */
function randomName(): Buffer {
  const name = Buffer.alloc(8);
  names += 1n;
  name.writeBigUInt64BE(names);
  return name;
}

function plainText(value: unknown, base: string): unknown {
  return typeof value === "string" || Buffer.isBuffer(value)
    ? value.toString().replace(base, "")
    : typeof value === "bigint"
      ? String(value)
      : value;
}

function byText(one: Plain, other: Plain): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1;
}
