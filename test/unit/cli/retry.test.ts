import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { systemClock } from "../../../src/lib/clock.ts";
import { AgentError } from "../../../src/lib/errors.ts";
import { StateDirectory } from "../../../src/sweep/state-directory.ts";
import { runHere } from "../../support/command.ts";
import { entryAt } from "../../support/transfer-context.ts";

const QUARANTINE = ".s3oa-quarantine";

describe("retry", () => {
  let folder = "";
  let watched = "";

  const at = (path: string) => join(watched, path);
  const write = async (path: string) => {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), path);
  };
  const facts = async (path: string) => await lstat(at(path), { bigint: true });
  const env = () => ({
    S3_OFFLOAD_ALLOWED_ROOTS: watched,
    S3_OFFLOAD_STATE_DIRECTORY: join(folder, "state"),
  });
  const retry = (...args: string[]) =>
    runHere(["retry", "--directory", watched, ...args], { env: env() });
  const retryJson = async (...args: string[]) => {
    const { stdout, exitCode } = await retry("--json", ...args);
    return { exitCode, ...JSON.parse(stdout) };
  };
  const refusal = async (...args: string[]) =>
    await retry(...args).then(
      () => undefined,
      (thrown: unknown) => thrown as AgentError,
    );

  /** The agent's state, in which these files have failed. */
  const openState = async (...failed: string[]) => {
    const state = await StateDirectory.open({
      path: join(folder, "state"),
      clock: systemClock,
      bootId: "boot",
      isReadOnly: false,
    });
    state.attempts.begin(watched);
    const about = { now: Date.now(), random: () => 0 };
    for (const path of failed) {
      const failure = { reason: "AccessDenied", message: "no" };
      state.attempts.failed(watched, await entryAt(watched, path), failure, about);
    }
    await state.attempts.end(watched, true);
    return state;
  };

  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "s3-offload-retry-")));
    watched = join(folder, "watched");
    await mkdir(watched);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("gives all quarantined files their places back, and leaves no empty quarantine folder", async () => {
    for (const path of ["a", "sub/deep/b"]) await write(`${QUARANTINE}/${path}`);
    const answer = await retryJson();
    expect(answer).to.deep.include({ exitCode: 0, due: [], failed: [], directory: watched });
    expect(answer.released).to.have.members(["a", "sub/deep/b"]);
    expect(await readFile(at("sub/deep/b"), "utf8")).to.equal(`${QUARANTINE}/sub/deep/b`);
    expect(await readdir(at(QUARANTINE))).to.deep.equal([]);
  });

  it("a running agent takes a deferred file for a new one, and nothing of the file has changed", async () => {
    await write("sub/a");
    await chmod(at("sub/a"), 0o440);
    await using state = await openState("sub/a");
    const now = Date.now();
    const before = await facts("sub/a");
    expect(state.attempts.failedBefore(watched, await entryAt(watched, "sub/a"), now)).to.be.an(
      "object",
    );
    expect(await retryJson()).to.deep.include({ exitCode: 0, due: ["sub/a"] });
    expect(state.attempts.failedBefore(watched, await entryAt(watched, "sub/a"), now)).to.equal(
      undefined,
    );
    const after = await facts("sub/a");
    expect(after.ctimeNs > before.ctimeNs).to.equal(true);
    const { ino, mode, mtimeNs, size, uid, nlink } = before;
    expect(after).to.deep.include({ ino, mode, mtimeNs, size, uid, nlink });
  });

  it("touches only the files that are named", async () => {
    for (const path of ["a", "b"]) await write(path);
    for (const path of ["c", "d"]) await write(`${QUARANTINE}/${path}`);
    await using _state = await openState("a", "b");
    const before = await facts("b");
    const answer = await retryJson("a", "c");
    expect(answer).to.deep.include({ exitCode: 0, released: ["c"], due: ["a"], failed: [] });
    expect((await facts("b")).ctimeNs).to.equal(before.ctimeNs);
    expect(await readdir(at(QUARANTINE))).to.deep.equal(["d"]);
  });

  it("never replaces a file that has the place meanwhile: exit 1, both are there", async () => {
    await write("a");
    await write(`${QUARANTINE}/a`);
    await write(`${QUARANTINE}/b`);
    const answer = await retryJson();
    expect(answer).to.deep.include({ exitCode: 1, released: ["b"] });
    expect(answer.failed).to.have.length(1);
    expect(answer.failed[0]).to.include({ path: "a", reason: "taken" });
    expect(await readFile(at("a"), "utf8")).to.equal("a");
    expect(await readFile(at(`${QUARANTINE}/a`), "utf8")).to.equal(`${QUARANTINE}/a`);
    expect((await retry()).stdout).to.match(/FAILED +a +\(taken: .*\n.*way out: move/s);
  });

  it("understands the names that status shows: escaped, with the quarantine, absolute", async () => {
    const odd = Buffer.concat([Buffer.from(`${at(QUARANTINE)}/x`), Buffer.of(0xff, 0x0a)]);
    await write(`${QUARANTINE}/a`);
    await write(`${QUARANTINE}/b`);
    await writeFile(odd, "");
    const names = ["x%FF%0A", `${QUARANTINE}/a`, at("b")];
    const answer = await retryJson(...names);
    expect(answer).to.deep.include({ exitCode: 0, released: ["x%FF%0A", "a", "b"] });
  });

  for (const path of ["..", "../x", "a/../../x", "", ".", "/etc/passwd", `${QUARANTINE}`, "a/"]) {
    it(`refuses the path ${JSON.stringify(path)} before it touches anything`, async () => {
      await write(`${QUARANTINE}/a`);
      const error = await refusal("a", path);
      expect(error).to.be.instanceOf(AgentError).with.property("exitCode", 2);
      expect(await readdir(at(QUARANTINE))).to.deep.equal(["a"]);
    });
  }

  it("follows no link: neither to a file nor through a folder, nor as the quarantine", async () => {
    const outside = join(folder, "outside");
    await mkdir(outside);
    await writeFile(join(outside, "secret"), "");
    await symlink(join(outside, "secret"), at("link"));
    await symlink(outside, at("folder"));
    await symlink(outside, at(QUARANTINE));
    const before = await lstat(join(outside, "secret"), { bigint: true });
    const answer = await retryJson("link", "folder/secret", "secret");
    expect(answer).to.deep.include({ exitCode: 1, released: [], due: [] });
    expect(answer.failed).to.have.length(3);
    expect(await retryJson()).to.deep.include({ exitCode: 0, released: [], failed: [] });
    expect((await lstat(join(outside, "secret"), { bigint: true })).ctimeNs).to.equal(
      before.ctimeNs,
    );
    expect(await readdir(outside)).to.deep.equal(["secret"]);
  });

  it("works while an agent holds the directory and its state, and says so when nothing waits", async () => {
    await using _state = await openState();
    const { exitCode, stdout } = await retry();
    expect([exitCode, stdout]).to.deep.equal([0, `Nothing in ${watched} waits for another try.\n`]);
  });

  it("releases the quarantine without a state that it can read, and warns", async () => {
    await write(`${QUARANTINE}/a`);
    const { exitCode, stderr } = await retry();
    expect(exitCode).to.equal(0);
    expect(stderr).to.include("Only what is in quarantine");
    expect(await readdir(watched)).to.include("a");
  });

  it("a file that is nowhere is reported", async () => {
    const answer = await retryJson("gone");
    expect(answer.exitCode).to.equal(1);
    expect(answer.failed[0]).to.include({ path: "gone", reason: "absent" });
  });

  it("refuses a directory outside the allowed roots", async () => {
    const error = await refusal("--directory", folder);
    expect(error).to.be.instanceOf(AgentError).with.property("exitCode", 2);
    expect(error?.message).to.include("outside the allowed roots");
  });

  it("a folder that it makes anew is its parent's: root leaves nothing out of reach", async () => {
    if (process.geteuid?.() !== 0) return;
    await chown(watched, 65_534, 65_534);
    await chmod(watched, 0o755);
    await write(`${QUARANTINE}/sub/a`);
    expect((await retryJson()).released).to.deep.equal(["sub/a"]);
    const { uid, gid, mode } = await lstat(at("sub"));
    expect([uid, gid, mode & 0o7777]).to.deep.equal([65_534, 65_534, 0o755]);
  });
});
