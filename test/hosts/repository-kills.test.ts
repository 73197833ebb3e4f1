import { mkdtempDisposable, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { forEachConcurrently } from "../../src/lib/concurrency.ts";
import {
  type FaultPlan,
  HOOK_ARGUMENTS,
  planEnvironment,
  type TracedStep,
} from "../support/fault-plan.ts";
import {
  copyOf,
  openWorkshop,
  readRepository,
  type Workshop,
} from "../support/package-repository.ts";

/** They wait for the disk more than they compute. */
const AT_ONCE = 4;

/** What changes files or names. */
const CHANGES =
  "^(rename|kernel:renameat2|link|unlink|rm|mkdir|copyFile|writeFile|utimes|chmod|datasync)$";

/** What hosts can see; only the program itself looks into `.work`. */
const VISIBLE = [
  ...["apt", "yum", "SHA256SUMS.asc"],
  ...["gpg", "asc", "sources", "list", "repo"].map((one) => `s3-offload-agent.${one}`),
];

describe("npm run repository, killed or failing", () => {
  let place: Awaited<ReturnType<typeof mkdtempDisposable>>;
  let shop: Workshop;
  /** A repository with 1.0. */
  let first: string;
  let next: string;
  /** How many changes of what hosts see the next version takes. */
  let steps: number;

  before(async () => {
    place = await mkdtempDisposable(join(tmpdir(), "repository-kills-"));
    shop = await openWorkshop(place.path);
    first = join(place.path, "first");
    const some = { architectures: ["amd64"] };
    const packages = await shop.packages("1.0", some);
    const made = await shop.run(["--packages", packages, "--out", first, "--key", shop.key("old")]);
    expect(made.status, made.stderr).to.equal(0);
    next = await shop.packages("2.0", some);
    const trace = join(place.path, "trace");
    expect(
      (await update(await copyOf(first, join(place.path, "traced")), { trace })).status,
    ).to.equal(0);
    const lines = (await readFile(trace, "utf8")).trim().split("\n");
    const traced: TracedStep[] = lines.map((line) => JSON.parse(line));
    steps = Math.max(...traced.map(({ n }) => n));
    // Two keys' files, two packages, three directories of indexes and the checksums, at the least.
    expect(steps).to.be.above(7);
    expect(traced.filter(({ op }) => op === "kernel:renameat2")).to.have.length.above(2);
  });
  after(() => place.remove());

  /** Adds 2.0 with a new key beside the old one, so that every file changes. */
  const update = (out: string, plan: Omit<FaultPlan, "under" | "op">) =>
    shop.run(
      ["--packages", next, "--out", out, "--key", shop.key("old"), "--key", shop.key("new")],
      {
        nodeArguments: HOOK_ARGUMENTS,
        env: planEnvironment({ ...plan, op: CHANGES, under: VISIBLE.map((one) => join(out, one)) }),
      },
    );

  /** Reads it as a host that was set up before, with the public key of then. */
  async function read(out: string): Promise<readonly string[]> {
    const offered = await readRepository(out, join(first, "s3-offload-agent.gpg"));
    // Each index is of one state, the old or the new one.
    for (const one of ["amd64", "x86_64"]) {
      expect(["1.0", "1.0 2.0"]).to.include(versionsOf(offered, one));
    }
    return offered;
  }
  const versionsOf = (offered: readonly string[], architecture: string) =>
    offered
      .filter((one) => one.startsWith(`${architecture} `))
      .map((one) => one.split(" ")[1])
      .join(" ");

  it("leaves a repository that hosts can use, whichever change is the last, and goes on from there", async () => {
    const states = new Set<string>();
    await forEachConcurrently(numbersTo(steps), AT_ONCE, async (at) => {
      const out = await copyOf(first, join(place.path, `killed-${at}`));
      const killed = await update(out, { action: "kill-before", at });
      expect(killed.stderr, `change ${at}`).to.contain("SIGKILL");
      states.add((await read(out)).join());
      if (at % 4 !== 0) return;
      const again = await update(out, {});
      expect(again.status, again.stderr).to.equal(0);
      expect(await read(out)).to.deep.equal(["amd64 1.0", "amd64 2.0", "x86_64 1.0", "x86_64 2.0"]);
      expect(await readdir(out)).not.to.include(".work");
    });
    // Before and after both indexes, and in between.
    expect(states.size).to.equal(3);
  });

  it("says what failed, and leaves a repository that hosts can use", async () => {
    const copiesOfKeys = () => readdir(join(place.path, "runtime"));
    const before = await copiesOfKeys();
    for (let at = 2; at <= steps; at += 5) {
      const out = await copyOf(first, join(place.path, "failed"));
      const failed = await update(out, { action: "error", errno: "ENOSPC", at });
      expect(failed.status, `change ${at}`).to.equal(1);
      expect(failed.stderr).to.match(/ENOSPC|renameat2/);
      await read(out);
      expect(await copiesOfKeys(), "copies of keys").to.deep.equal(before);
      await rm(out, { recursive: true });
    }
  });
});

async function* numbersTo(last: number): AsyncIterable<number> {
  for (let at = 1; at <= last; at += 1) yield at;
}
