import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import fc from "fast-check";
import { Attempts } from "../../../src/sweep/attempts.ts";
import { fileEntry, stateFileIn } from "../../support/entries.ts";

const ROOT = "/watched";
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const FAILURE = { reason: "AccessDenied", message: "no" };
const NOW = 1_700_000_000_000;

async function makePlace() {
  const folder = await mkdtempDisposable(`${tmpdir()}/s3oa-attempts-`);
  const file = stateFileIn(folder.path, "attempts");
  const attempts = Attempts.of(file, await file.load());
  return {
    attempts,
    path: file.path,
    /** What a later run of the agent knows. */
    async later() {
      return Attempts.of(file, await stateFileIn(folder.path, "attempts").peek());
    },
    async [Symbol.asyncDispose]() {
      await file.close();
      await folder.remove();
    },
  };
}

const at = (now: number, random = 0.5) => ({ now, random: () => random });
const namesIn = (attempts: Attempts) => [...attempts.list()].map(({ path }) => path);

describe("attempts: pauses", () => {
  it("the first failure has none: the next sweep tries again", async () => {
    await using place = await makePlace();
    const { dueAt } = place.attempts.failed(ROOT, fileEntry("a"), FAILURE, at(NOW, 1));
    expect(dueAt).to.equal(NOW);
  });

  it("double from one minute to six hours, between half and the whole of that", async () => {
    await using place = await makePlace();
    const entry = fileEntry("a");
    place.attempts.failed(ROOT, entry, FAILURE, at(NOW));
    const shares = [
      [0, 0.5],
      [0.5, 0.75],
      [1, 1],
    ] as const;
    for (const [index, most] of [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360].entries()) {
      const [random, share] = shares[index % shares.length] ?? [0, 0.5];
      const { dueAt } = place.attempts.failed(ROOT, entry, FAILURE, at(NOW, random));
      expect(dueAt - NOW, `${most} minutes`).to.equal(most * MINUTE * share);
    }
  });

  it("grow even where failures do not count, so that nobody is asked in vain at every sweep", async () => {
    await using place = await makePlace();
    const entry = fileEntry("a");
    for (const most of [0, 1, 2, 4]) {
      const attempt = place.attempts.failed(ROOT, entry, FAILURE, at(NOW, 1));
      expect(attempt.dueAt - NOW).to.equal(most * MINUTE);
      expect(attempt.counted).to.equal(1);
      place.attempts.uncount(attempt);
    }
  });

  it("stay within bounds however often a file fails", async () => {
    await using place = await makePlace();
    const entry = fileEntry("a");
    place.attempts.failed(ROOT, entry, FAILURE, at(NOW));
    for (let count = 2; count < 2_000; count += 1) {
      const { dueAt, failures } = place.attempts.failed(ROOT, entry, FAILURE, at(NOW, 0.99));
      expect(failures).to.equal(count);
      expect(dueAt - NOW).to.be.within(MINUTE / 2, 6 * HOUR);
      expect(place.attempts.failedBefore(ROOT, entry, NOW)).to.include({ dueAt });
    }
  });

  it("a file that only waits has none", async () => {
    await using place = await makePlace();
    const entry = fileEntry("a");
    place.attempts.waits(ROOT, entry, NOW);
    expect(place.attempts.failedBefore(ROOT, entry, NOW)).to.equal(undefined);
  });

  it("a file that failed and waits then has its pause still", async () => {
    await using place = await makePlace();
    const entry = fileEntry("a");
    const { dueAt } = place.attempts.failed(ROOT, entry, FAILURE, at(NOW));
    place.attempts.waits(ROOT, entry, NOW + 1);
    expect(place.attempts.failedBefore(ROOT, entry, NOW + 1)).to.deep.equal({
      reason: FAILURE.reason,
      dueAt,
    });
  });

  it("a clock that was set back does not make a pause longer than the longest", async () => {
    await using place = await makePlace();
    const entry = fileEntry("a");
    const { dueAt } = place.attempts.failed(ROOT, entry, FAILURE, at(NOW));
    const { attempts } = place;
    expect(attempts.failedBefore(ROOT, entry, dueAt - 6 * HOUR)).to.include({ dueAt });
    expect(attempts.failedBefore(ROOT, entry, dueAt - 6 * HOUR - 1)).to.equal(undefined);
    expect(attempts.failedBefore(ROOT, entry, 0)).to.equal(undefined);
  });
});

describe("attempts: what is the same file", () => {
  for (const [what, changes] of [
    ["ctime, as by chmod or chattr", { ctimeNs: 2_001n }],
    ["mtime", { mtimeNs: 1_001n }],
    ["size", { bytes: 101n }],
    ["inode: another file", { inode: 8n }],
  ] as const) {
    it(`another ${what}: it begins anew`, async () => {
      await using place = await makePlace();
      const entry = fileEntry("a");
      for (let count = 0; count < 5; count += 1) {
        place.attempts.failed(ROOT, entry, FAILURE, at(NOW));
      }
      const changed = fileEntry("a", changes);
      expect(place.attempts.find(ROOT, changed)).to.equal(undefined);
      expect(place.attempts.failedBefore(ROOT, changed, NOW)).to.equal(undefined);
      expect(place.attempts.failed(ROOT, changed, FAILURE, at(NOW)).failures).to.equal(1);
      expect(namesIn(place.attempts)).to.deep.equal(["a"]);
    });
  }

  it("how long it has been there outlasts every change, but not another file", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    expect(attempts.waits(ROOT, fileEntry("a"), NOW)).to.equal(0);
    expect(attempts.waits(ROOT, fileEntry("a", { bytes: 1n }), NOW + HOUR)).to.equal(HOUR);
    attempts.failed(ROOT, fileEntry("a", { bytes: 2n }), FAILURE, at(NOW + HOUR));
    const later = fileEntry("a", { bytes: 3n, ctimeNs: 9n });
    expect(attempts.waits(ROOT, later, NOW + 2 * HOUR)).to.equal(2 * HOUR);
    expect(attempts.waits(ROOT, fileEntry("a", { inode: 8n }), NOW + 3 * HOUR)).to.equal(0);
  });

  it("two files that are called the same, one of them aside, are two", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    const leftover = fileEntry("a", { at: ".s3oa-0123456789abcdef-a" });
    attempts.failed(ROOT, leftover, FAILURE, at(NOW));
    attempts.failed(ROOT, fileEntry("a", { inode: 8n }), FAILURE, at(NOW));
    expect(attempts.failed(ROOT, leftover, FAILURE, at(NOW)).failures).to.equal(2);
    attempts.forget(ROOT, fileEntry("a", { inode: 8n }));
    expect(attempts.find(ROOT, leftover)?.failures).to.equal(2);
  });

  it("what is in quarantine stays known, whatever comes and goes under its old name", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    const attempt = attempts.failed(ROOT, fileEntry("a"), FAILURE, at(NOW));
    const moved = fileEntry("a", { at: ".s3oa-quarantine/a", ctimeNs: 3_000n });
    attempts.quarantined(ROOT, moved, attempt);
    expect(namesIn(attempts)).to.deep.equal([".s3oa-quarantine/a"]);
    attempts.waits(ROOT, fileEntry("a", { inode: 8n }), NOW);
    attempts.forget(ROOT, fileEntry("a", { inode: 8n }));
    expect(attempts.find(ROOT, moved)).to.deep.include({ isQuarantined: true, ...FAILURE });
    const changed = fileEntry("a", { at: ".s3oa-quarantine/a", ctimeNs: 3_001n });
    expect(attempts.find(ROOT, changed)).to.equal(undefined);
  });

  it("names that are no text, and the same name in two watched directories, are told apart", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    attempts.failed(ROOT, fileEntry(Buffer.of(0xff)), FAILURE, at(NOW));
    attempts.failed(ROOT, fileEntry(Buffer.of(0xfe)), FAILURE, at(NOW));
    attempts.failed("/other", fileEntry(Buffer.of(0xff)), FAILURE, at(NOW));
    expect([...attempts.list()].map(({ failures }) => failures)).to.deep.equal([1, 1, 1]);
  });

  it("failures that are taken back do not count, and nothing else is forgotten with them", async () => {
    await using place = await makePlace();
    const entry = fileEntry("a");
    const attempt = place.attempts.failed(ROOT, entry, FAILURE, at(NOW));
    place.attempts.uncount(attempt);
    expect(place.attempts.find(ROOT, entry)).to.deep.equal({ ...attempt, counted: 0 });
    expect(place.attempts.failed(ROOT, entry, FAILURE, at(NOW)).counted).to.equal(1);
    place.attempts.forget(ROOT, entry);
    place.attempts.uncount(attempt);
    expect(place.attempts.find(ROOT, entry)).to.equal(undefined);
  });
});

describe("attempts: over sweeps and restarts", () => {
  it("are known after a restart, the number of failures and the pause too", async () => {
    await using place = await makePlace();
    const entry = fileEntry("a");
    place.attempts.begin(ROOT);
    place.attempts.failed(ROOT, entry, FAILURE, at(NOW));
    const attempt = place.attempts.failed(ROOT, entry, FAILURE, at(NOW));
    await place.attempts.end(ROOT, true);
    const later = await place.later();
    expect(later.find(ROOT, entry)).to.deep.equal(attempt);
    expect(later.failed(ROOT, entry, FAILURE, at(NOW)).failures).to.equal(3);
  });

  it("what was not seen in a whole sweep is gone; after half a one it may just not have been met", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    attempts.begin(ROOT);
    for (const name of ["failed", "waited", "met", "gone"]) {
      attempts.failed(ROOT, fileEntry(name), FAILURE, at(NOW));
    }
    attempts.failed("/other", fileEntry("gone"), FAILURE, at(NOW));
    await attempts.end(ROOT, true);

    attempts.begin(ROOT);
    await attempts.end(ROOT, false);
    expect(namesIn(await place.later())).to.have.length(5);

    attempts.begin(ROOT);
    attempts.failed(ROOT, fileEntry("failed"), FAILURE, at(NOW));
    attempts.waits(ROOT, fileEntry("waited"), NOW);
    attempts.isThere(ROOT, fileEntry("met"));
    await attempts.end(ROOT, true);
    expect(namesIn(await place.later())).to.deep.equal(["failed", "waited", "met", "gone"]);
    expect([...(await place.later()).list()].at(-1)?.root).to.equal("/other");
  });

  it("isThere does not make known what was not", async () => {
    await using place = await makePlace();
    place.attempts.begin(ROOT);
    place.attempts.isThere(ROOT, fileEntry("a"));
    expect(namesIn(place.attempts)).to.deep.equal([]);
  });

  it("a sweep without anything new writes nothing", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    attempts.begin(ROOT);
    attempts.failed(ROOT, fileEntry("a"), FAILURE, at(NOW));
    await attempts.end(ROOT, true);
    const file = stateFileIn("/nonexistent", "attempts");
    const idle = Attempts.of(file, [...attempts.list()]);
    idle.begin(ROOT);
    idle.isThere(ROOT, fileEntry("a"));
    idle.forget(ROOT, fileEntry("b"));
    // There is no such directory: a write would fail or make it.
    await idle.end(ROOT, true);
    expect(file.problem).to.equal(undefined);
    expect(await readFile(place.path, "utf8")).to.include("AccessDenied");
  });

  it("what could not be written is written at the end of the next sweep", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    let isBroken = true;
    const written: (readonly unknown[])[] = [];
    const file = Object.assign(stateFileIn("/nonexistent", "attempts"), {
      rewrite: async (records: () => readonly unknown[]) => {
        if (isBroken) throw Object.assign(new Error("full"), { code: "ENOSPC" });
        written.push(records());
      },
    });
    const broken = Attempts.of(file, [...attempts.list()]);
    broken.begin(ROOT);
    broken.failed(ROOT, fileEntry("a"), FAILURE, at(NOW));
    const failure = await broken.end(ROOT, true).catch((error: unknown) => error);
    expect(failure).to.be.an("error");
    isBroken = false;
    broken.begin(ROOT);
    broken.isThere(ROOT, fileEntry("a"));
    await broken.end(ROOT, true);
    expect(written).to.have.length(1);
  });

  it("no more than 4,096 are remembered, and those that are stay", async () => {
    await using place = await makePlace();
    const { attempts } = place;
    for (let n = 0; n < 5_000; n += 1) {
      attempts.failed(ROOT, fileEntry(`f${n}`), FAILURE, at(NOW));
    }
    expect(namesIn(attempts)).to.have.length(4_096);
    // What does not fit is as if it had never failed.
    const entry = fileEntry("f4999");
    expect(attempts.failed(ROOT, entry, FAILURE, at(NOW))).to.include({ failures: 1 });
    expect(attempts.failedBefore(ROOT, entry, NOW)).to.equal(undefined);
    attempts.failed(ROOT, fileEntry("f0"), FAILURE, at(NOW));
    expect(attempts.find(ROOT, fileEntry("f0"))?.failures).to.equal(2);
    attempts.forget(ROOT, fileEntry("f0"));
    attempts.failed(ROOT, entry, FAILURE, at(NOW));
    expect(attempts.find(ROOT, entry)?.failures).to.equal(1);
  });

  it("records that are none are passed over", () => {
    const file = stateFileIn("/nonexistent", "attempts");
    const whole = {
      root: ROOT,
      path: "a",
      inode: "7",
      state: "7:100:1000:2000",
      firstSeenAt: NOW,
      failures: 2,
      counted: 2,
      reason: "AccessDenied",
      message: "no",
      dueAt: NOW,
      isQuarantined: false,
    };
    expect([...Attempts.of(file, [whole]).list()]).to.deep.equal([whole]);
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(whole)),
        fc.oneof(fc.constantFrom(null, undefined, [], {}), fc.double({ noInteger: true })),
        (name, value) => {
          fc.pre(typeof value !== "number" || !Number.isFinite(value));
          expect([...Attempts.of(file, [{ ...whole, [name]: value }]).list()]).to.deep.equal([]);
        },
      ),
    );
    for (const none of [null, undefined, 1, "a", [], {}, [whole]]) {
      expect([...Attempts.of(file, [none]).list()]).to.deep.equal([]);
    }
  });
});
