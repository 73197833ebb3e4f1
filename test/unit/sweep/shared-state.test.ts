import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { ATTEMPTS_MAX, type Attempt, Attempts } from "../../../src/sweep/attempts.ts";
import { lastSweepOf } from "../../../src/sweep/host-state.ts";
import { Tally } from "../../../src/sweep/report.ts";
import { StateDirectory } from "../../../src/sweep/state-directory.ts";
import { readStateDirectory } from "../../../src/sweep/state-snapshot.ts";
import { fileEntry, stateFileIn } from "../../support/entries.ts";
import { laterClock } from "../../support/memory-store.ts";

const ROOT = "/watched";
const FAILURE = { reason: "AccessDenied", message: "no" };
const NOW = 1_700_000_000_000;

const at = (now: number) => ({ now, random: () => 0.5 });

/** A state directory in use. */
async function makePlace() {
  const folder = await mkdtempDisposable(`${tmpdir()}/s3oa-shared-`);
  const path = `${folder.path}/state`;
  const state = await StateDirectory.open({
    ...{ path, clock: laterClock(), bootId: "boot 1", isReadOnly: false },
  });
  return {
    folder: folder.path,
    path,
    state,
    attempts: state.attempts,
    /** What a later run of the agent knows. */
    async later() {
      const file = stateFileIn(path, "attempts");
      return Attempts.of(file, await file.peek());
    },
    async [Symbol.asyncDispose]() {
      await state[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

describe("attempts that several sweeps share", () => {
  it("a sweep of one root forgets nothing that a sweep of another one saw meanwhile", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    const fail = (root: string, name: string) =>
      attempts.failed(root, fileEntry(name), FAILURE, at(NOW));
    for (const root of [ROOT, "/other"]) for (const name of ["stays", "goes"]) fail(root, name);
    attempts.begin(ROOT);
    attempts.isThere(ROOT, fileEntry("stays"));
    attempts.begin("/other");
    attempts.isThere("/other", fileEntry("stays"));
    await attempts.end(ROOT, true);
    const rootsOf = (all: Attempts) => [...all.list()].map(({ root, path }) => `${root}/${path}`);
    expect(rootsOf(await place.later())).to.deep.equal([
      "/watched/stays",
      "/other/stays",
      "/other/goes",
    ]);
    // The next sweep of the first one is over before the other's first.
    attempts.begin(ROOT);
    attempts.isThere(ROOT, fileEntry("stays"));
    await attempts.end(ROOT, true);
    await attempts.end("/other", true);
    expect(rootsOf(await place.later())).to.deep.equal(["/watched/stays", "/other/stays"]);
  });

  for (const [what, change] of [
    ["a failure", (all: Attempts) => void all.failed("/other", fileEntry("b"), FAILURE, at(NOW))],
    ["a removal", (all: Attempts) => all.forget(ROOT, fileEntry("a"))],
    [
      "a failure that does not count",
      (all: Attempts) => all.uncount([...all.list()][0] as Attempt),
    ],
  ] as const) {
    it(`${what} while the end of another sweep is written is written at the next end`, async () => {
      const written: string[] = [];
      let during: () => void = () => undefined;
      const file = Object.assign(stateFileIn("/nonexistent", "attempts"), {
        rewrite: async (records: () => readonly unknown[]) => {
          written.push(JSON.stringify(records()));
          during();
        },
      });
      const attempts = Attempts.of(file, []);
      attempts.begin("/other");
      attempts.begin(ROOT);
      attempts.failed(ROOT, fileEntry("a"), FAILURE, at(NOW));
      during = () => change(attempts);
      await attempts.end(ROOT, true);
      during = () => undefined;
      await attempts.end("/other", false);
      expect(written).to.have.length(2);
      expect(written[1]).to.equal(JSON.stringify([...attempts.list()]));
      expect(written[1]).not.to.equal(written[0]);
    });
  }

  it("ends of several sweeps at once leave all that is known in the file", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    const roots = Array.from({ length: 8 }, (_, n) => `/r${n}`);
    await Promise.all(
      roots.map(async (root) => {
        attempts.begin(root);
        for (let n = 0; n < 20; n += 1) {
          attempts.failed(root, fileEntry(`f${n}`), FAILURE, at(NOW));
          await attempts.end(root, false);
        }
      }),
    );
    expect([...(await place.later()).list()]).to.deep.equal([...attempts.list()]);
  });

  it("one root with more failures than are remembered leaves the others theirs", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    for (let n = 0; n <= ATTEMPTS_MAX; n += 1) {
      attempts.failed(ROOT, fileEntry(`f${n}`), FAILURE, at(NOW));
    }
    const entry = fileEntry("a");
    attempts.failed("/other", entry, FAILURE, at(NOW));
    expect(attempts.failed("/other", entry, FAILURE, at(NOW))).to.include({ failures: 2 });
    expect([...attempts.list()]).to.have.length(ATTEMPTS_MAX + 1);
  });

  it("of roots that nobody watches only what is in quarantine there is known still", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    for (const root of [ROOT, "/gone"]) {
      attempts.waits(root, fileEntry("waits"), NOW);
      for (const name of ["rescued", "poison"]) {
        const attempt = attempts.failed(root, fileEntry(name), FAILURE, at(NOW));
        attempts.quarantined(root, fileEntry(name), attempt);
      }
    }
    await attempts.keepRoots([ROOT], async ({ path }) => path === "poison");
    const known = [...(await place.later()).list()].map(({ root, path }) => `${root}/${path}`);
    expect(known).to.have.members([
      ...["waits", "rescued", "poison"].map((name) => `${ROOT}/${name}`),
      "/gone/poison",
    ]);
  });
});

describe("the state directory that several sweeps share", () => {
  it("what several note at once is all there, and the last word of each whole", async () => {
    await using place = await makePlace();
    const { state } = place;
    const report = (startedAt: number) =>
      new Tally(() => 0).report({
        startedAt,
        endedAt: startedAt,
        durationMs: 1,
        isInterrupted: false,
      });
    const noting: Promise<void>[] = [];
    for (let n = 1; n <= 20; n += 1) {
      for (const route of ["a", "b"]) {
        const about = { route, directory: `/${route}` };
        noting.push(state.recordSweep(lastSweepOf(about, report(n), undefined)));
        noting.push(
          state.recordFailedSweep({ route: `${route}-down`, startedAt: n, message: "m" }),
        );
      }
      noting.push(state.addRoot(`/${n}`));
      if (n > 1) noting.push(state.dropRoot(`/${n - 1}`));
    }
    await Promise.all(noting);
    const { host } = await readStateDirectory(place.path);
    expect(host.sweeps.map(({ route, startedAt }) => [route, startedAt])).to.deep.equal([
      ["a", 20],
      ["b", 20],
    ]);
    expect(host.failedSweeps.map(({ route, startedAt }) => [route, startedAt])).to.deep.equal([
      ["a-down", 20],
      ["b-down", 20],
    ]);
    expect(host.roots).to.deep.equal(["/20"]);
  });

  it("forgets the files of roots that nobody watches, but for those in quarantine there", async () => {
    await using place = await makePlace();
    const { state } = place;
    const old = `${place.folder}/old`;
    await mkdir(`${old}/.s3oa-quarantine/d`, { recursive: true });
    await writeFile(`${old}/.s3oa-quarantine/d/poison`, "x");
    const { attempts } = state;
    const when = { now: NOW, random: () => 0 };
    for (const [root, name] of [
      ["/watched", "d/gone"],
      [old, "d/poison"],
      [old, "d/rescued"],
      ["/nowhere", "d/poison"],
      [old, "../old/.s3oa-quarantine/d/poison"],
    ] as const) {
      const entry = fileEntry(name);
      const attempt = attempts.failed(root, entry, { reason: "r", message: "m" }, when);
      attempts.quarantined(root, entry, attempt);
    }
    attempts.waits(old, fileEntry("waits"), NOW);
    await state.keepRoots(["/watched"]);
    const { attempts: kept } = await readStateDirectory(place.path);
    expect(kept.map(({ root, path }) => [root, path])).to.deep.equal([
      ["/watched", "d/gone"],
      [old, "d/poison"],
    ]);
  });
});
