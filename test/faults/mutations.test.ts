import { expect } from "chai";
import { MUTATIONS } from "../support/mutations/all.ts";
import type { Mutation } from "../support/mutations/mutation.ts";
import { Copy, type TestRun } from "../support/mutations/run.ts";
import { printTable } from "../support/table.ts";

/** So many copies of the project are worked in at once. */
const COPIES = 2;
/** So many mutations may be under way or done before their turn has come. */
const AHEAD = 2 * COPIES;

/** Does mutations in their order, some at once and a little ahead of whoever waits for them. */
class Mutants {
  readonly #free: Copy[] = [];
  readonly #runs = new Map<Mutation, Promise<TestRun>>();
  readonly #waiting: ((copy: Copy) => void)[] = [];

  async open(): Promise<void> {
    for (let made = 0; made < COPIES; made += 1) this.#free.push(await Copy.make());
  }

  /** What the tests say that must notice this mutation. */
  async runOf(mutation: Mutation): Promise<TestRun> {
    const at = MUTATIONS.indexOf(mutation);
    for (const next of MUTATIONS.slice(at, at + AHEAD)) {
      if (this.#runs.has(next)) continue;
      const run = this.use((copy) => copy.runMutated(next));
      // Its own test tells of it, if that is asked for.
      run.catch(() => undefined);
      this.#runs.set(next, run);
    }
    return (await this.#runs.get(mutation)) ?? { passed: [], failed: [] };
  }

  /** Works in a copy that nobody else works in. */
  async use<T>(work: (copy: Copy) => Promise<T>): Promise<T> {
    const copy = this.#free.pop() ?? (await new Promise<Copy>((take) => this.#waiting.push(take)));
    try {
      return await work(copy);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(copy);
      else next(copy);
    }
  }

  /** Removes the copies when nobody works in them any more. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#runs.values());
    for (const copy of this.#free) await copy[Symbol.asyncDispose]();
  }
}

describe("a safety step that is taken out", function () {
  this.timeout(120_000);
  const mutants = new Mutants();
  const rows: string[][] = [["mutation", "file", "test that found it", "failing tests"]];

  before(() => mutants.open());
  after(async () => {
    await mutants.close();
    printTable(rows);
    process.stdout.write(`${rows.length - 1} of ${MUTATIONS.length} mutations found\n`);
  });

  for (const mutation of MUTATIONS) {
    it(`is noticed: ${mutation.name}`, async () => {
      const { failed } = await mutants.runOf(mutation);
      expect(failed, `${mutation.foundBy.join(": ")}, failing tests`).to.not.deep.equal([]);
      const found = failed[0] ?? "";
      rows.push([mutation.name, mutation.file, found, String(failed.length)]);
    });
  }

  // Else a test that always fails would be the best of them all.
  for (const [file, found] of Map.groupBy(MUTATIONS, ({ foundBy }) => foundBy[0])) {
    it(`is there: all those tests of ${file} pass`, async () => {
      const parts = [...new Set(found.map(({ foundBy }) => foundBy[1]))];
      const { passed, failed } = await mutants.use((copy) => copy.run(file, parts));
      expect(failed).to.deep.equal([]);
      expect(passed).to.not.deep.equal([]);
    });
  }
});
