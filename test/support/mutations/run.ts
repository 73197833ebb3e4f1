import { execFile } from "node:child_process";
import {
  chmod,
  cp,
  mkdir,
  mkdtempDisposable,
  readFile,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Mutation, mutate } from "./mutation.ts";

const PROJECT = fileURLToPath(new URL("../../..", import.meta.url));

/** What the tests of a copy of the project need. */
const COPIED = ["src", "test", "tools", "package.json", "tsconfig.json"];

/** A test of a mutated product may wait for what never comes; the healthy ones take a second or two. */
const TEST_TIMEOUT_MS = { healthy: 20_000, mutated: 5_000 } as const;
const RUN_TIMEOUT_MS = 60_000;

/** What became of some tests. */
export interface TestRun {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
}

/** A copy of the project in a temporary directory, in which one mutation at a time comes true. */
export class Copy implements AsyncDisposable {
  readonly #directory: AsyncDisposable & { readonly path: string };

  /** Copies the project as it is on disk. */
  static async make(): Promise<Copy> {
    const directory = await mkdtempDisposable(join(tmpdir(), "s3oa-mutations-"));
    for (const name of COPIED) {
      await cp(join(PROJECT, name), join(directory.path, name), { recursive: true });
    }
    // Some tests run the product as another user, who has to get there.
    await chmod(directory.path, 0o755);
    await mkdir(join(directory.path, "tmp"));
    await symlink(join(PROJECT, "node_modules"), join(directory.path, "node_modules"));
    return new Copy(directory);
  }

  private constructor(directory: AsyncDisposable & { readonly path: string }) {
    this.#directory = directory;
  }

  /**
   * Runs tests of the copy as it is.
   * @param file below `test/`
   * @param parts those tests are run whose names contain one of these
   */
  async run(
    file: string,
    parts: readonly string[],
    state: keyof typeof TEST_TIMEOUT_MS = "healthy",
  ): Promise<TestRun> {
    const { path } = this.#directory;
    const grep = parts.map((part) => RegExp.escape(part)).join("|");
    const args = [
      ...[join(path, "node_modules/mocha/bin/mocha.js"), "--exit", "--no-config"],
      ...["--timeout", String(TEST_TIMEOUT_MS[state]), "--grep", grep],
      ...["--reporter", "tap", join(path, "test", file)],
    ];
    // What a test leaves behind that ends in the middle goes with the copy.
    const env = { ...process.env, TMPDIR: join(path, "tmp") };
    const options = { cwd: path, env, timeout: RUN_TIMEOUT_MS } as const;
    const { promise, resolve, reject } = Promise.withResolvers<TestRun>();
    const child = execFile(process.execPath, args, options, (_error, stdout, stderr) => {
      const { signalCode } = child;
      const run = readTap(stdout);
      // The kernel's word to a process that breaks a lease unheard: it ends the tests as well.
      if (signalCode === "SIGIO") resolve({ ...run, failed: ["(the process died of SIGIO)"] });
      else if (END.test(stdout)) resolve(run);
      else reject(new Error(`${file} came to no end (${signalCode}):\n${stdout}${stderr}`));
    });
    let told = "";
    child.stdout?.on("data", (text) => {
      told += String(text);
      // A thread that waits in a call of the kernel's would keep it for ever.
      if (END.test(told)) child.kill("SIGKILL");
    });
    return await promise;
  }

  /**
   * Runs the tests that must notice a mutation while it is true.
   * @throws Error if the mutation does not fit the source, or the tests do not run at all
   */
  async runMutated(mutation: Mutation): Promise<TestRun> {
    const path = join(this.#directory.path, "src", mutation.file);
    const source = await readFile(path, "utf8");
    await writeFile(path, mutate(source, mutation));
    try {
      const [test, part] = mutation.foundBy;
      return await this.run(test, [part], "mutated");
    } finally {
      await writeFile(path, source);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#directory[Symbol.asyncDispose]();
  }
}

/** What mocha says last. */
const END = /^# fail \d+$/m;

/** Reads what mocha says of each test in the Test Anything Protocol. */
function readTap(text: string): TestRun {
  const lines = [...text.matchAll(/^(ok|not ok) \d+ (.*)$/gm)];
  const titles = (result: string) =>
    lines.filter(([, found]) => found === result).map(([, , title = ""]) => title);
  return { passed: titles("ok"), failed: titles("not ok") };
}
