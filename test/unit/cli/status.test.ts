import { appendFile, chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { systemClock } from "../../../src/lib/clock.ts";
import { AgentError } from "../../../src/lib/errors.ts";
import type { Entry } from "../../../src/sweep/entry.ts";
import { lastSweepOf } from "../../../src/sweep/host-state.ts";
import { Tally } from "../../../src/sweep/report.ts";
import { StateDirectory } from "../../../src/sweep/state-directory.ts";
import { runHere } from "../../support/command.ts";

const ROOT = "/var/spool/s3-offload";
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
    ...new Tally().report({
      startedAt: Date.now() - 60_000,
      endedAt: Date.now(),
      durationMs: 50,
      isInterrupted: false,
    }),
    ...changes,
  });
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
    attempts.begin();
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
    await state.recordSweep(lastSweepOf(ROOT, report({ filesRemoved: 2 }), undefined));
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
    await state.recordSweep(lastSweepOf(ROOT, report(), undefined));
    expect((await runHere(["status"], { env: env() })).exitCode).to.equal(0);
  });

  for (const [how, changes] of [
    ["files failed", { filesFailed: 1 }],
    ["a directory was unreadable", { directoriesUnreadable: 1 }],
    ["S3 was down", { stoppedEarly: "SlowDown: wait" }],
  ] as const) {
    it(`ends with 1 when ${how} in the last sweep`, async () => {
      await using state = await open();
      await state.recordSweep(lastSweepOf(ROOT, report(changes), undefined));
      expect((await runHere(["status"], { env: env() })).exitCode).to.equal(1);
      expect(await json()).to.include({ isWell: false });
    });
  }

  it("the last sweep is known after a restart", async () => {
    {
      await using state = await open();
      await state.recordSweep(lastSweepOf(ROOT, report({ filesRemoved: 7 }), "ledger: ENOSPC"));
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
  ]) {
    it(`a last sweep that reads ${JSON.stringify(garbage)} is none`, async () => {
      await using state = await open();
      await state.recordSweep(garbage as never);
      expect((await json()).lastSweep).to.equal(null);
      expect((await runHere(["status"], { env: env() })).stdout).to.include("no sweep");
    });
  }

  it("a last sweep of another version keeps what is understood", async () => {
    await using state = await open();
    await state.recordSweep({ directory: ROOT, startedAt: 1, filesRemoved: 3 } as never);
    expect((await json()).lastSweep).to.include({ filesRemoved: 3, filesFailed: 0 });
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
