import { execFile } from "node:child_process";
import { mkdir, mkdtempDisposable, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import {
  type FaultPlan,
  HOOK_ARGUMENTS,
  planEnvironment,
  type TracedStep,
} from "../../support/fault-plan.ts";
import { Oracle } from "../../support/oracle.ts";
import { startStriker } from "../../support/striker.ts";

const SUBJECT = fileURLToPath(new URL("../../support/fault-subject.ts", import.meta.url));

describe("the fault hook", () => {
  let temporary: Awaited<ReturnType<typeof mkdtempDisposable>>;
  let directory: string;

  beforeEach(async () => {
    temporary = await mkdtempDisposable(join(tmpdir(), "fault-hook-"));
    directory = join(temporary.path, "under");
    await mkdir(directory);
  });
  afterEach(() => temporary.remove());

  async function run(plan: Partial<FaultPlan>, operations: readonly string[]) {
    const env = { ...process.env, ...planEnvironment({ under: [directory], ...plan }) };
    const args = [...HOOK_ARGUMENTS, SUBJECT, directory, ...operations];
    const { promise, resolve } = Promise.withResolvers<{
      lines: string[];
      killedBy: string | null;
      stderr: string;
    }>();
    const child = execFile(process.execPath, args, { env }, (_error, stdout, stderr) =>
      resolve({
        lines: stdout.split("\n").filter((line) => line !== ""),
        killedBy: child.signalCode,
        stderr,
      }),
    );
    return await promise;
  }

  async function trace(operations: readonly string[], plan: Partial<FaultPlan> = {}) {
    const file = join(temporary.path, "trace");
    await writeFile(file, "");
    const ended = await run({ ...plan, trace: file }, operations);
    expect(ended.stderr).to.equal("");
    const lines = (await readFile(file, "utf8")).trim().split("\n");
    const steps = lines.filter((line) => line !== "").map((line): TracedStep => JSON.parse(line));
    return steps.filter(({ when }) => when === "before").map(({ n, op }) => `${n} ${op}`);
  }

  it("numbers what lies below the directories, and nothing else", async () => {
    expect(await trace(["writeSynced", "outside", "look", "lookSync", "lookCallback"])).to.eql([
      ...["1 open", "2 writeFile", "3 datasync", "4 close", "5 lstat", "6 lstat", "7 lstat"],
    ]);
  });

  it("follows paths through descriptors, names of any bytes, and kernel calls", async () => {
    await writeFile(join(directory, "a"), "");
    expect(await trace(["unlinkByDescriptor"])).to.eql([
      ...["1 open", "2 unlink", "3 unlink", "4 close"],
    ]);
    await writeFile(join(directory, "a"), "");
    expect(await trace(["renameByKernel"])).to.eql(["1 kernel:renameat2"]);
  });

  it("numbers only those of a name if so asked", async () => {
    expect(await trace(["writeSynced", "look"], { op: "^(datasync|lstat)$" })).to.eql([
      ...["1 datasync", "2 lstat"],
    ]);
  });

  it("kills before a step that is then not done, or after one that is", async () => {
    for (const [action, left] of [
      ["kill-before", ["a"]],
      ["kill-after", []],
    ] as const) {
      await writeFile(join(directory, "a"), "");
      const { killedBy, lines } = await run({ op: "^unlink$", at: 2, action }, [
        "unlinkByDescriptor",
      ]);
      expect({ killedBy, lines }).to.eql({ killedBy: "SIGKILL", lines: [] });
      expect(await readdir(directory)).to.eql(left);
    }
  });

  for (const { operation, op } of [
    { operation: "look", op: "lstat" },
    { operation: "lookSync", op: "lstat" },
    { operation: "lookCallback", op: "lstat" },
    { operation: "readHandle", op: "read" },
  ]) {
    it(`makes ${operation} fail as Node would`, async () => {
      await writeFile(join(directory, "a"), "x");
      const plan = { op: `^${op}$`, at: 1, action: "error", errno: "EMFILE" } as const;
      const { lines } = await run(plan, [operation, operation]);
      const said = `${operation} EMFILE ${-constants.errno.EMFILE} ${op}`;
      expect(lines).to.eql([said, `${operation} ok`]);
      expect((await run({ ...plan, every: true }, [operation, operation])).lines).to.eql([
        ...[said, said],
      ]);
    });
  }

  it("makes a kernel call fail with that errno, and does not do it", async () => {
    await writeFile(join(directory, "a"), "");
    const plan = { at: 1, action: "error", errno: "ENOSPC" } as const;
    const { lines } = await run(plan, ["renameByKernel", "renameByKernel"]);
    expect(lines[0]).to.include(`errno ${constants.errno.ENOSPC}`);
    expect(lines[1]).to.equal("renameByKernel ok");
  });

  it("leaves the errno of a kernel call that fails by itself", async () => {
    const { lines } = await run({}, ["renameByKernel"]);
    expect(lines[0]).to.include(`errno ${constants.errno.ENOENT}`);
  });

  describe("a power cut", () => {
    const contents = async () => {
      const names = (await readdir(directory)).sort();
      const texts = names.map((name) => readFile(join(directory, name), "utf8"));
      return Object.fromEntries(
        (await Promise.all(texts)).map((text, index) => [names[index], text]),
      );
    };
    const cut = (names: "kept" | "lost", operations: readonly string[]) =>
      run({ op: "^lstat$", at: 1, action: "kill-before", powerLoss: { directory, names } }, [
        ...operations,
        "look",
      ]);

    it("takes back what was appended after the last sync", async () => {
      await cut("kept", ["writeSynced", "append"]);
      expect(await contents()).to.eql({ a: "first\n" });
    });

    it("takes back what was appended to a file of an earlier process", async () => {
      await writeFile(join(directory, "a"), "earlier\n");
      await cut("kept", ["append"]);
      expect(await contents()).to.eql({ a: "earlier\n" });
    });

    it("takes a new file that was never synced", async () => {
      await cut("kept", ["writeSynced", "writeUnsynced"]);
      expect(await contents()).to.eql({ a: "first\n" });
    });

    it("empties a file that was renamed without having been synced", async () => {
      await cut("kept", ["writeSynced", "writeUnsynced", "renameUnsynced"]);
      expect(await contents()).to.eql({ a: "" });
    });

    it("can undo a rename whose directory was not synced, and only such a one", async () => {
      await cut("lost", ["writeSynced", "renameByKernel"]);
      expect(await contents()).to.eql({ a: "first\n" });
      await cut("lost", ["writeSynced", "renameByKernel", "syncDirectory"]);
      expect(await contents()).to.eql({ b: "first\n" });
    });
  });

  describe("a strike", () => {
    it("is over before the step", async () => {
      const path = join(directory, "a");
      await writeFile(path, "content\n");
      await using striker = await startStriker(temporary.path, new Oracle());
      const strike = striker.plan({ kind: "delete", path });
      const { lines } = await run({ op: "^lstat$", at: 1, strike }, ["look"]);
      expect(lines[0]).to.match(/^look ENOENT/);
      expect((await striker.blow(strike)).abandoned).to.eql([
        { path, content: Buffer.from("content\n") },
      ]);
    });

    it("goes on when the striker waits for a lease of the process that it strikes", async () => {
      const path = join(directory, "a");
      await writeFile(path, "content\n");
      await using striker = await startStriker(temporary.path, new Oracle());
      const strike = striker.plan({ kind: "append", path });
      // The end of the process is the end of its lease, and the writer's chance.
      const { lines } = await run({ op: "^lstat$", at: 1, strike }, ["lease", "look"]);
      expect(lines).to.eql(["lease ok", "look ok"]);
      expect((await striker.blow(strike)).closed.map(({ content }) => `${content}`)).to.eql([
        "content\nstruck\n",
      ]);
      expect((await stat(path)).size).to.equal(15);
    });
  });
});
