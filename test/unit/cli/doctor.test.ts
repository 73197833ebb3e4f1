import { execFile } from "node:child_process";
import {
  appendFile,
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  realpath,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import type { Check, Verdict } from "../../../src/cli/checks/check.ts";
import { verdictOf } from "../../../src/cli/checks/check.ts";
import { directoryChecks } from "../../../src/cli/checks/directory-checks.ts";
import { stateChecks } from "../../../src/cli/checks/state-checks.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { tryLock } from "../../../src/lib/kernel.ts";
import { StateDirectory } from "../../../src/sweep/state-directory.ts";
import {
  openWatchedDirectory,
  type WatchedDirectory,
} from "../../../src/sweep/watched-directory.ts";
import { runHere } from "../../support/command.ts";

const run = promisify(execFile);
const isRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;
const stop = new AbortController().signal;
const noUnit = async () => undefined;

const SRC = new URL("../../../src/", import.meta.url).href;

/** Does the checks as a user who may nothing, in a process of his own (only root can start one), and prints the verdicts. */
const AS_NOBODY = `
  const [folder, watched] = process.argv.slice(1);
  const from = (path) => import(${JSON.stringify(SRC)} + path);
  const { verdictOf } = await from("cli/checks/check.ts");
  const { directoryChecks } = await from("cli/checks/directory-checks.ts");
  const { stateChecks } = await from("cli/checks/state-checks.ts");
  const { systemClock: clock } = await from("lib/clock.ts");
  const { openWatchedDirectory } = await from("sweep/watched-directory.ts");
  process.setgroups([]);
  process.setgid(${NOBODY});
  process.setuid(${NOBODY});
  const directory = await openWatchedDirectory({
    directory: watched, allowedRoots: [watched], workingDirectory: "/", isReadOnly: true,
  });
  const stop = new AbortController().signal;
  const checks = [
    ...directoryChecks(directory, { clock, stop }),
    ...(await stateChecks(folder + "/state", clock, async () => ${NOBODY})),
  ];
  const found = {};
  for (const check of checks) found[check.name] = JSON.stringify(await verdictOf(check));
  process.stdout.write(JSON.stringify(found));
`;

describe("doctor", () => {
  let folder = "";
  let watched = "";

  beforeEach(async () => {
    // /dev/shm is a tmpfs on every Linux: leases are trusted there, whatever /tmp lies on.
    folder = await realpath(await mkdtemp("/dev/shm/s3-offload-doctor-"));
    await chmod(folder, 0o755);
    watched = join(folder, "watched");
    await mkdir(watched);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const openWatched = () =>
    openWatchedDirectory({
      directory: watched,
      allowedRoots: [watched],
      workingDirectory: "/",
      stateDirectory: undefined,
      isReadOnly: true,
    });

  const verdicts = async (checks: readonly Check[]): Promise<Map<string, Verdict>> => {
    const found = new Map<string, Verdict>();
    for (const check of checks) found.set(check.name, await verdictOf(check));
    return found;
  };
  const ofDirectory = async (changes: Partial<WatchedDirectory> = {}) => {
    await using directory = await openWatched();
    return await verdicts(
      directoryChecks({ ...directory, ...changes }, { clock: systemClock, stop }),
    );
  };
  const asNobody = async (): Promise<Record<string, string>> => {
    const args = ["--input-type=module", "--eval", AS_NOBODY, folder, watched];
    return JSON.parse((await run(process.execPath, args)).stdout);
  };
  const ofState = async (path = join(folder, "state"), unitUid?: number) =>
    await verdicts(await stateChecks(path, systemClock, async () => unitUid));
  const openState = () =>
    StateDirectory.open({
      path: join(folder, "state"),
      clock: systemClock,
      bootId: "boot",
      isReadOnly: false,
    });

  it("finds nothing wrong with a good directory, sees its lease break, and leaves no trace", async () => {
    await writeFile(join(watched, "a"), "a");
    const before = await lstat(join(watched, "a"), { bigint: true });
    const found = await ofDirectory();
    for (const [name, verdict] of found) expect(verdict.verdict, name).to.equal("ok");
    expect([...found.keys()]).to.include.members(["names", "lease", "lock", "quarantine"]);
    expect(await readdir(watched)).to.deep.equal(["a"]);
    expect(await lstat(join(watched, "a"), { bigint: true })).to.deep.equal(before);
    expect(process.listenerCount("SIGIO")).to.equal(0);
  });

  it("is content with an agent at work, whose lock it does not need", async () => {
    await using held = await open(watched);
    expect(tryLock(held.fd)).to.equal(true);
    await writeFile(join(watched, `.s3oa-${"0".repeat(16)}-a`), "");
    const found = await ofDirectory();
    expect(found.get("lock")).to.deep.equal({ verdict: "ok", detail: "an agent is at work in it" });
    expect(found.get("leftovers")).to.include({ verdict: "ok" });
  });

  it("an agent can have the lock as soon as doctor has asked for it", async () => {
    await ofDirectory();
    await using held = await open(watched);
    expect(tryLock(held.fd)).to.equal(true);
  });

  it("warns of leftovers, quarantined files and probes that it finds, and touches none", async () => {
    await mkdir(join(watched, ".s3oa-quarantine/sub"), { recursive: true });
    await writeFile(join(watched, ".s3oa-quarantine/sub/bad"), "");
    await writeFile(join(watched, `.s3oa-${"0".repeat(16)}-a`), "");
    const found = await ofDirectory();
    expect(found.get("leftovers")).to.include({ verdict: "warning" });
    expect(found.get("quarantine")).to.include({ verdict: "warning" });
    await writeFile(join(watched, ".s3oa-probe-0123456789abcdef"), "");
    const leftovers = (await ofDirectory()).get("leftovers");
    expect(JSON.stringify(leftovers)).to.include("killed").and.to.include("probe-0123");
    expect(await readdir(watched)).to.have.length(3);
  });

  it("says that checks are weaker on a filesystem whose leases say nothing, and asks for none", async () => {
    const found = await ofDirectory({ filesystem: { name: "overlayfs", leases: "hint" } });
    expect(found.get("filesystem")).to.include({ verdict: "warning" });
    expect([...found.keys()]).not.to.include("lease");
  });

  it("finds a directory that gives nothing away, and folders and files in it", async () => {
    if (!isRoot) return;
    await mkdir(join(watched, "sub"), { mode: 0o755 });
    await writeFile(join(watched, "sub/a"), "");
    await chmod(watched, 0o755);
    const found = await asNobody();
    expect(found["names"]).to.include('"problem"').and.to.include("may not write");
    expect(found["files"]).to.include('"problem"').and.to.include("Files in sub cannot be removed");
    expect(found["state directory"]).to.include('"problem"').and.to.include("EACCES");

    await chown(watched, NOBODY, NOBODY);
    await chmod(join(watched, "sub"), 0o777);
    const usable = await asNobody();
    expect(usable["names"]).to.include('"ok"');
    expect(usable["files"]).to.include('"ok"');
    // It may read the file, but the lease is the owner's: without CAP_LEASE the checks are weaker.
    expect(usable["others' files"]).to.include("sub/a").and.to.include("CAP_LEASE");
    expect(usable["others' files"]).to.include('"warning"').and.to.include("EACCES");
    await chmod(join(watched, "sub/a"), 0o600);
    expect((await asNobody())["files"]).to.include("sub/a and maybe others cannot be read");
    await chmod(join(watched, "sub"), 0o1777);
    expect((await asNobody())["files"]).to.include("sticky");
    await chmod(join(watched, "sub"), 0o700);
    expect((await asNobody())["files"]).to.include("sub cannot be looked at: EACCES");
  });

  it("finds an immutable directory", async () => {
    // Only root may, and only on some filesystems; /tmp is the likelier one.
    const place = await realpath(await mkdtemp("/tmp/s3-offload-doctor-"));
    const isImmutable = await run("chattr", ["+i", place]).then(
      () => true,
      () => false,
    );
    try {
      if (!isImmutable) return;
      watched = place;
      const names = (await ofDirectory()).get("names");
      expect(names).to.include({ verdict: "problem" });
      expect(JSON.stringify(names)).to.include("immutable");
    } finally {
      if (isImmutable) await run("chattr", ["-i", place]);
      await rm(place, { recursive: true });
    }
  });

  it("a state directory that is not there is not made, but it must be possible", async () => {
    expect((await ofState()).get("state directory")).to.include({ verdict: "ok" });
    expect(await readdir(folder)).to.deep.equal(["watched"]);
  });

  it("reads the state beside an agent at work, and knows its damages from its scars", async () => {
    {
      await using _state = await openState();
      const found = await ofState();
      expect(JSON.stringify(found.get("state directory"))).to.include("an agent is at work");
      for (const [name, verdict] of found) expect(verdict.verdict, name).to.equal("ok");
    }
    await appendFile(join(folder, "state", "ledger"), "garbage\n");
    expect(JSON.stringify((await ofState()).get("state files"))).to.include("ledger is damaged");
    {
      await using _state = await openState();
    }
    expect(JSON.stringify((await ofState()).get("state files"))).to.include("ledger.set-aside-1");
  });

  it("warns that the clock was set since the agent looked last", async () => {
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    const shifted = { ...systemClock, now: () => Date.now() - 3_600_000 };
    {
      const path = join(folder, "state");
      await using _state = await StateDirectory.open({
        path,
        clock: shifted,
        bootId,
        isReadOnly: false,
      });
    }
    expect((await ofState()).get("clock")).to.include({ verdict: "warning" });
    const same = await verdicts(await stateChecks(join(folder, "state"), shifted, noUnit));
    expect(same.get("clock")).to.include({ verdict: "ok" });
    const never = { ...systemClock, now: () => 3_600_000 };
    const old = await verdicts(await stateChecks(join(folder, "state"), never, noUnit));
    expect(old.get("clock")).to.include({ verdict: "problem" });
  });

  it("takes root for the agent where the state is the unit's user's, and nobody else", async function () {
    if (!isRoot) this.skip();
    await (await openState())[Symbol.asyncDispose]();
    await chown(join(folder, "state"), NOBODY, NOBODY);
    const name = "state directory";
    expect((await ofState(undefined, NOBODY)).get(name)).to.include({ verdict: "ok" });
    for (const other of [undefined, 0, 1]) {
      const verdict = (await ofState(undefined, other)).get(name);
      expect(verdict).to.include({ verdict: "warning" }).and.have.property("wayOut");
    }
  });

  it("ends with 1 and a way out if the bootstrap file is wrong", async () => {
    const file = join(folder, "agent.yaml");
    await writeFile(file, "flet: web\n");
    const { exitCode, stdout } = await runHere(["doctor", "--config", file], { env: {} });
    expect(exitCode).to.equal(1);
    expect(stdout).to.match(/^PROBLEM +bootstrap file, .*flet\.\n {2}way out: /);
  });
});
