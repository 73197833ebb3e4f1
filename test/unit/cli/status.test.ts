import { appendFile, chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { systemClock } from "../../../src/lib/clock.ts";
import { AgentError } from "../../../src/lib/errors.ts";
import { StateFile } from "../../../src/lib/state-file.ts";
import type { Entry } from "../../../src/sweep/entry.ts";
import { HOST_FORMAT, lastSweepOf } from "../../../src/sweep/host-state.ts";
import { Tally } from "../../../src/sweep/report.ts";
import { StateDirectory } from "../../../src/sweep/state-directory.ts";
import { runHere } from "../../support/command.ts";

const ROOT = "/var/spool/s3-offload";
const WATCHED = { route: "default", directory: ROOT };
const HOUR_MS = 3_600_000;
const FAILURE = { reason: "AccessDenied", message: "no\u001b[2Jthing" };

const entry = (path: string | Buffer, inode = 1n): Entry => ({
  path: Buffer.from(path as string),
  at: Buffer.from(path as string),
  type: "file",
  fingerprint: { device: 1n, inode, bytes: 3n, mtimeNs: 4n, ctimeNs: 5n, links: 1n },
});

describe("status", () => {
  let folder = "";
  const env = () => ({ S3_OFFLOAD_STATE_DIRECTORY: join(folder, "state") });
  const open = () =>
    StateDirectory.open({
      path: join(folder, "state"),
      clock: systemClock,
      bootId: "boot",
      isReadOnly: false,
    });
  const report = (changes: object = {}) => ({
    ...new Tally(() => 0).report({
      startedAt: Date.now() - 60_000,
      endedAt: Date.now(),
      durationMs: 50,
      isInterrupted: false,
    }),
    ...changes,
  });
  /** Leaves a file that anybody may have written. */
  async function writeHost(records: readonly unknown[]): Promise<void> {
    const file = new StateFile(join(folder, "state", "host"), HOST_FORMAT, () => undefined);
    await file.rewrite(() => records);
    await file.close();
  }
  const json = async () => JSON.parse((await runHere(["status", "--json"], { env: env() })).stdout);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "s3-offload-status-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** A host on which a file of every kind does not go. */
  async function fill(state: StateDirectory): Promise<void> {
    const now = Date.now();
    const about = { now, random: () => 0 };
    const { attempts } = state;
    attempts.begin(ROOT);
    attempts.waits(ROOT, entry("young"), now);
    attempts.waits(ROOT, entry("held-open", 2n), now - 2 * HOUR_MS);
    // The second failure is the first to wait for its next try.
    for (const _ of ["first", "second"]) {
      attempts.failed(ROOT, entry(Buffer.from("b\xffd\n", "latin1"), 3n), FAILURE, about);
    }
    const bad = attempts.failed(ROOT, entry("poison", 4n), FAILURE, about);
    attempts.quarantined(ROOT, entry("poison", 4n), bad);
    const stuck = entry("stuck", 5n);
    for (const _ of ["first", "second"]) {
      attempts.failed(ROOT, stuck, { reason: "not-removable", message: "EPERM" }, about);
    }
    await state.ledger.add({
      root: ROOT,
      path: stuck.path,
      inode: 5n,
      bytes: 3n,
      mtimeNs: 4n,
      sha256: "a".repeat(64),
      bucket: "my-bucket",
      key: "host-1/stuck",
    });
    await attempts.end(ROOT, true);
  }

  it("names every file that does not go by what is wrong with it, beside an agent at work", async () => {
    await using state = await open();
    await fill(state);
    await state.recordSweep(lastSweepOf(WATCHED, report({ filesRemoved: 2 }), undefined));
    const found = await json();
    const paths = (kind: string) => found[kind].map(({ path }: { path: string }) => path);
    expect(found.filesWaiting).to.equal(2);
    expect(paths("unsettled")).to.deep.equal(["held-open"]);
    expect(paths("failing")).to.deep.equal(["b%FFd%0A"]);
    expect(found.failing[0]).to.include({ failures: 2, reason: "AccessDenied", directory: ROOT });
    expect(found.quarantined[0]).to.include({ path: "poison", at: ".s3oa-quarantine/poison" });
    expect(found.undeletable[0]).to.include({
      path: "stuck",
      bucket: "my-bucket",
      key: "host-1/stuck",
    });
    expect(found.lastSweep).to.include({ filesRemoved: 2, directory: ROOT, hasFailed: false });
    expect(Date.parse(found.failing[0].dueAt)).to.be.above(Date.now());
  });

  it("writes nothing that a terminal obeys, and one line a file", async () => {
    await using state = await open();
    await fill(state);
    const { stdout, exitCode } = await runHere(["status"], { env: env() });
    expect(exitCode).to.equal(1);
    expect(stdout.replaceAll("\n", "")).not.to.match(/\p{Cc}/u);
    expect(stdout).to.match(/^b%FFd%0A +2 +in \d+s +AccessDenied +no\\x1b\[2Jthing$/m);
    expect(stdout).to.match(/^stuck +s3:\/\/my-bucket\/host-1\/stuck +in/m);
    expect(stdout).to.match(/^waiting +2 /m);
  });

  it("ends with 0 on a host where files only wait or fail for now", async () => {
    await using state = await open();
    state.attempts.waits(ROOT, entry("young"), Date.now());
    await state.attempts.end(ROOT, true);
    await state.recordSweep(lastSweepOf(WATCHED, report(), undefined));
    expect((await runHere(["status"], { env: env() })).exitCode).to.equal(0);
  });

  for (const [how, changes] of [
    ["files failed", { filesFailed: 1 }],
    ["a directory was unreadable", { directoriesUnreadable: 1 }],
    ["S3 was down", { stoppedEarly: "SlowDown: wait" }],
  ] as const) {
    it(`ends with 1 when ${how} in the last sweep`, async () => {
      await using state = await open();
      await state.recordSweep(lastSweepOf(WATCHED, report(changes), undefined));
      expect((await runHere(["status"], { env: env() })).exitCode).to.equal(1);
      expect(await json()).to.include({ isWell: false });
    });
  }

  it("the last sweep is known after a restart", async () => {
    {
      await using state = await open();
      await state.recordSweep(lastSweepOf(WATCHED, report({ filesRemoved: 7 }), "ledger: ENOSPC"));
    }
    {
      await using state = await open();
      await state.addRoot("/elsewhere");
    }
    expect((await json()).lastSweep).to.include({
      filesRemoved: 7,
      stateProblem: "ledger: ENOSPC",
    });
  });

  it("reads what is whole of a damaged file, says so, and leaves it as it is", async () => {
    {
      await using state = await open();
      await fill(state);
    }
    const file = join(folder, "state", "attempts");
    await appendFile(file, "00000000 garbage\n");
    const before = await stat(file, { bigint: true });
    const found = await json();
    expect(found.damages).to.have.length(1);
    expect(found.isWell).to.equal(false);
    expect(found.quarantined).to.have.length(1);
    expect((await stat(file, { bigint: true })).ctimeNs).to.equal(before.ctimeNs);
    expect(await readdir(join(folder, "state"))).to.have.members(["attempts", "ledger", "host"]);
  });

  for (const garbage of [
    {},
    null,
    7,
    { directory: ROOT },
    { startedAt: 1 },
    { directory: ROOT, startedAt: 1e300 },
    { directory: 1, startedAt: 1 },
    { route: "logs", startedAt: 1 },
    { route: "logs", message: "no" },
    { route: 1, startedAt: 1, message: "no" },
    { route: "logs", startedAt: Number.NaN, message: "no" },
  ]) {
    it(`a last sweep that reads ${JSON.stringify(garbage)} is none`, async () => {
      await writeHost([{ lastSweep: garbage }, { failedSweep: garbage }]);
      expect(await json()).to.deep.include({ lastSweep: null, sweeps: [], isWell: true });
      expect((await runHere(["status"], { env: env() })).stdout).to.include("no sweep");
    });
  }

  it("a last sweep of another version keeps what is understood", async () => {
    await writeHost([{ lastSweep: { directory: ROOT, startedAt: 1, filesRemoved: 3 } }]);
    expect((await json()).lastSweep).to.include({ filesRemoved: 3, filesFailed: 0 });
  });

  it("a last sweep without a route, as agents of one route wrote it, is the default route's", async () => {
    const { route: _, ...nameless } = lastSweepOf(WATCHED, report({ filesRemoved: 3 }), undefined);
    await writeHost([{ lastSweep: nameless }]);
    const { sweeps } = await json();
    expect(sweeps).to.have.length(1);
    expect(sweeps[0]).to.include({ route: "default", hasFailed: false });
    expect(sweeps[0].lastSweep).to.include({ filesRemoved: 3, directory: ROOT });
  });

  describe("of several routes", () => {
    const about = (route: string) => ({ route, directory: `/var/spool/${route}` });
    const at = (startedAt: number, changes: object = {}) => report({ startedAt, ...changes });

    it("shows the last sweep of each, by name, and the youngest of all of them", async () => {
      await using state = await open();
      for (const [route, startedAt] of [
        ["logs", 3_000],
        ["images", 1_000],
        ["images", 2_000],
      ] as const) {
        await state.recordSweep(lastSweepOf(about(route), at(startedAt), undefined));
      }
      const { sweeps, lastSweep } = await json();
      expect(sweeps.map(({ route }: { route: string }) => route)).to.deep.equal(["images", "logs"]);
      expect(sweeps[0].lastSweep).to.include({ startedAt: "1970-01-01T00:00:02.000Z" });
      expect(lastSweep).to.include({ route: "logs", directory: "/var/spool/logs" });
      const { stdout, exitCode } = await runHere(["status"], { env: env() });
      expect(stdout).to.match(/^route +images\nlast sweep .* of \/var\/spool\/images,/m);
      expect(stdout).to.match(/^route +logs\nlast sweep .* of \/var\/spool\/logs,/m);
      expect(exitCode).to.equal(0);
    });

    it("ends with 1 when the last sweep of any failed, though a later one of another did not", async () => {
      await using state = await open();
      const failed = at(1_000, { filesFailed: 1 });
      await state.recordSweep(lastSweepOf(about("images"), failed, undefined));
      await state.recordSweep(lastSweepOf(about("logs"), at(2_000), undefined));
      expect((await runHere(["status"], { env: env() })).exitCode).to.equal(1);
      expect(await json()).to.include({ isWell: false });
      await state.recordSweep(lastSweepOf(about("images"), at(3_000), undefined));
      expect((await runHere(["status"], { env: env() })).exitCode).to.equal(0);
    });

    it("shows a sweep that failed as a whole until one of the same route is completed", async () => {
      const failed = { route: "logs", startedAt: 5_000, message: "no\u001b[2Jthing" };
      {
        await using state = await open();
        await state.recordSweep(lastSweepOf(about("images"), at(4_000), undefined));
        await state.recordFailedSweep(failed);
        await state.recordSweep(lastSweepOf(about("images"), at(6_000), undefined));
      }
      const { sweeps, isWell } = await json();
      expect(isWell).to.equal(false);
      expect(sweeps[1]).to.deep.equal({
        route: "logs",
        hasFailed: true,
        lastSweep: null,
        failedSweep: { startedAt: "1970-01-01T00:00:05.000Z", message: failed.message },
      });
      const { stdout, exitCode } = await runHere(["status"], { env: env() });
      expect(exitCode).to.equal(1);
      expect(stdout).to.match(/^FAILED .* ago, as a whole: no\\x1b\[2Jthing$/m);
      await using state = await open();
      await state.recordSweep(lastSweepOf(about("logs"), at(7_000), undefined));
      expect(await json()).to.include({ isWell: true });
    });

    it("forgets those that are configured no longer", async () => {
      await using state = await open();
      await state.recordSweep(lastSweepOf(about("images"), at(1, { filesFailed: 1 }), undefined));
      await state.recordFailedSweep({ route: "old", startedAt: 1, message: "no" });
      await state.recordSweep(lastSweepOf(about("logs"), at(2), undefined));
      await state.keepRoutes(["logs", "new"]);
      const { sweeps, isWell } = await json();
      expect(sweeps.map(({ route }: { route: string }) => route)).to.deep.equal(["logs"]);
      expect(isWell).to.equal(true);
    });

    it("a file is unsettled by the last sweep of its own directory", async () => {
      await using state = await open();
      const now = Date.now();
      for (const [route, agoMs] of [
        ["logs", 0],
        ["images", 2 * HOUR_MS],
      ] as const) {
        const swept = lastSweepOf(about(route), at(now - agoMs), undefined);
        await state.recordSweep(swept);
        state.attempts.begin(swept.directory);
        state.attempts.waits(swept.directory, entry("f"), now - 2 * HOUR_MS);
        await state.attempts.end(swept.directory, true);
      }
      const { unsettled } = await json();
      expect(unsettled.map(({ directory }: { directory: string }) => directory)).to.deep.equal([
        "/var/spool/logs",
      ]);
    });
  });

  it("says what to do where no agent has worked yet, and makes nothing", async () => {
    const error = await runHere(["status"], { env: env() }).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(AgentError).with.property("exitCode", 2);
    expect((error as AgentError).message).to.include("no agent has worked");
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it("says so, with exit code 2, when it may not read the state", async () => {
    await mkdir(join(folder, "state"), { mode: 0o700 });
    await writeFile(join(folder, "state", "attempts"), "", { mode: 0o600 });
    await chmod(folder, 0o755);
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    else await chmod(join(folder, "state"), 0);
    try {
      const error = await runHere(["status"], { env: env() }).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(AgentError).with.property("exitCode", 2);
      expect((error as AgentError).message).to.include("EACCES");
    } finally {
      if (isRoot) process.seteuid?.(0);
      await chmod(join(folder, "state"), 0o700);
    }
  });
});
