import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { findRemade, type RootAccess, watchRoots } from "../../../src/agent/remade-roots.ts";
import { tellingLogger } from "../../support/checked-logger.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const LOOK_MS = 5_000;

/** A sandbox whose mounts a test decides on: all is shut, but what is bound. */
class Sandbox implements AsyncDisposable {
  readonly root: string;
  readonly clock = new ManualClock();
  readonly stop = new AbortController();
  readonly #logging = tellingLogger(this.clock);
  bound: string[] = [];
  removed: string[] = [];
  isBroken = false;
  restarts = 0;
  #watching: Promise<void> = Promise.resolve();

  private constructor(root: string) {
    this.root = root;
  }

  static async make(): Promise<Sandbox> {
    return new Sandbox(join(await mkdtemp(join(tmpdir(), "roots-")), "in"));
  }

  get told(): readonly string[] {
    return this.#logging.told.map(({ event, directory }) => `${event} ${directory}`);
  }

  async start(): Promise<void> {
    this.#watching = watchRoots({
      allowedRoots: [this.root],
      workingDirectory: "/",
      logger: this.#logging.logger,
      clock: this.clock,
      stop: this.stop.signal,
      onRemade: () => {
        this.restarts += 1;
      },
      mounts: async () => this.#mounts(),
    });
    await this.look();
  }

  /** Lets it look once more. */
  async look(): Promise<void> {
    while (this.clock.sleepers === 0 && this.restarts === 0) await new Promise(setImmediate);
    await this.clock.advance(LOOK_MS);
    while (this.clock.sleepers === 0 && this.restarts === 0) await new Promise(setImmediate);
  }

  #mounts(): string {
    const superOptions = this.isBroken ? "ro" : "rw";
    return [
      `1 0 0:1 / / ro - ext4 none ${superOptions}`,
      ...this.bound.map(
        (path, index) => `${index + 2} 1 0:1 / ${path} rw - ext4 none ${superOptions}`,
      ),
      ...this.removed.map(
        (path, index) => `${index + 9} 1 0:1 /x//deleted ${path} rw - ext4 none rw`,
      ),
    ].join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    await this.#watching;
    await rm(join(this.root, ".."), { recursive: true, force: true });
  }
}

describe("remade roots", () => {
  it("end the agent once, when a root that was bound is made anew", async () => {
    await using sandbox = await Sandbox.make();
    await mkdir(sandbox.root);
    sandbox.bound = [sandbox.root];
    await sandbox.start();
    await sandbox.look();
    expect(sandbox.restarts).to.equal(0);
    await rm(sandbox.root, { recursive: true });
    sandbox.bound = [];
    await sandbox.look();
    // There is nothing yet that a start could bind.
    expect(sandbox.restarts).to.equal(0);
    await mkdir(sandbox.root);
    await sandbox.look();
    expect(sandbox.restarts).to.equal(1);
    expect(sandbox.told).to.deep.equal([`agent.restarting ${sandbox.root}`]);
  });

  it("end it when a root that was not there is made", async () => {
    await using sandbox = await Sandbox.make();
    await sandbox.start();
    await mkdir(sandbox.root);
    await sandbox.look();
    expect(sandbox.restarts).to.equal(1);
  });

  it("end it when what was bound is removed below the mount", async () => {
    await using sandbox = await Sandbox.make();
    await mkdir(sandbox.root);
    sandbox.bound = [sandbox.root];
    await sandbox.start();
    [sandbox.bound, sandbox.removed] = [[], [sandbox.root]];
    await sandbox.look();
    expect(sandbox.restarts).to.equal(1);
  });

  it("let an agent be whose root could not be written from the start", async () => {
    await using sandbox = await Sandbox.make();
    await mkdir(sandbox.root);
    await sandbox.start();
    for (let looks = 0; looks < 5; looks += 1) await sandbox.look();
    await rm(sandbox.root, { recursive: true });
    await sandbox.look();
    await mkdir(sandbox.root);
    await sandbox.look();
    expect(sandbox.restarts).to.equal(0);
    expect(sandbox.told).to.deep.equal([]);
  });

  it("let an agent be when a filesystem becomes read-only for everybody", async () => {
    await using sandbox = await Sandbox.make();
    await mkdir(sandbox.root);
    sandbox.bound = [sandbox.root];
    await sandbox.start();
    sandbox.isBroken = true;
    await sandbox.look();
    expect(sandbox.restarts).to.equal(0);
  });

  it("are found by what was and what is", () => {
    const rows: readonly [RootAccess, RootAccess, boolean][] = [
      ["writable", "sealed", true],
      ["writable", "removed", true],
      ["missing", "sealed", true],
      ["read-only", "sealed", true],
      ["sealed", "sealed", false],
      ["sealed", "removed", false],
      ["removed", "sealed", false],
      ["writable", "missing", false],
      ["writable", "read-only", false],
      ["writable", "unknown", false],
      ["sealed", "writable", false],
    ];
    for (const [before, now, isRemade] of rows) {
      const found = findRemade(new Map([["/a", before]]), new Map([["/a", now]]));
      expect(found, `${before}, then ${now}`).to.equal(isRemade ? "/a" : undefined);
    }
  });
});
