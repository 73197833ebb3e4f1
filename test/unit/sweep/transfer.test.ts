import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  mkdtempDisposable,
  open,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { entryOf } from "../../../src/sweep/entry.ts";
import type { Outcome } from "../../../src/sweep/outcome.ts";
import { BUFFERED_BYTES_MAX, FileChangedError, readContent } from "../../../src/sweep/read-file.ts";
import type { TransferContext } from "../../../src/sweep/transfer.ts";
import {
  contentsBelow,
  laterClock,
  MemoryStore,
  passTick,
  REFUSED,
  type Reply,
  SLOW_DOWN,
  sha256Of,
} from "../../support/memory-store.ts";
import { entryAt, openContext, transferWhole } from "../../support/transfer-context.ts";

const never = new AbortController().signal;

/** A watched directory with one file in a folder, and a place outside for probes and targets. */
async function makePlace(content: Buffer) {
  const base = await mkdtempDisposable(`${tmpdir()}/s3oa-transfer-`);
  const root = `${base.path}/watched`;
  const outside = `${base.path}/outside`;
  await mkdir(`${root}/d`, { recursive: true });
  await mkdir(outside);
  const file = `${root}/d/a`;
  await writeFile(file, content);
  const store = new MemoryStore();
  return {
    base: base.path,
    root,
    outside,
    file,
    store,
    /** Scans, lets `between` strike, and transfers. */
    async run(
      changes: Partial<TransferContext> = {},
      between?: () => Promise<unknown>,
    ): Promise<Outcome> {
      const entry = await entryAt(root, "d/a");
      await between?.();
      await using context = await openContext(root, store, changes);
      return await transferWhole(entry, context);
    },
    /** The oracle: the bytes are in the store or on a disk. */
    async expectSafe(...contents: readonly Buffer[]): Promise<void> {
      const all = [...store.objects.values(), ...(await contentsBelow(base.path))];
      for (const one of contents) {
        expect(
          all.some((other) => other.equals(one)),
          one.subarray(0, 20).toString(),
        ).to.equal(true);
      }
    },
    [Symbol.asyncDispose]: () => base.remove(),
  };
}
type Place = Awaited<ReturnType<typeof makePlace>>;

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

interface Strike {
  readonly name: string;
  /** What a writer does; the contents that it has closed then and that must survive. */
  strike(place: Place, content: Buffer): Promise<readonly Buffer[]>;
  readonly isOnDisk: boolean;
  /** It leaves the bytes alone. */
  readonly isHarmless?: boolean;
}

const LATE = Buffer.from("written late");

const strikes: readonly Strike[] = [
  {
    name: "written anew",
    isOnDisk: true,
    async strike({ file }) {
      await writeFile(file, LATE);
      return [LATE];
    },
  },
  {
    name: "appended to",
    isOnDisk: true,
    async strike({ file }, content) {
      await appendFile(file, LATE);
      return [Buffer.concat([content, LATE])];
    },
  },
  {
    name: "truncated",
    isOnDisk: true,
    async strike({ file }) {
      await truncate(file, 3);
      return [await readFile(file)];
    },
  },
  {
    name: "replaced in place with the same size and mtime",
    isOnDisk: true,
    async strike({ file }, content) {
      const { atime, mtime } = await stat(file);
      const other = Buffer.alloc(content.length, "z");
      const handle = await open(file, "r+");
      await handle.write(other, 0, other.length, 0);
      await handle.close();
      await utimes(file, atime, mtime);
      return [other];
    },
  },
  {
    name: "renamed over",
    isOnDisk: true,
    async strike({ file, outside }) {
      await writeFile(`${outside}/new`, LATE);
      await rename(`${outside}/new`, file);
      return [LATE];
    },
  },
  {
    name: "renamed over by one of the same size and mtime",
    isOnDisk: true,
    async strike({ file, outside }, content) {
      const { atime, mtime } = await stat(file);
      const other = Buffer.alloc(content.length, "z");
      await writeFile(`${outside}/new`, other);
      await utimes(`${outside}/new`, atime, mtime);
      await rename(`${outside}/new`, file);
      return [other];
    },
  },
  {
    name: "put in a folder that takes the place of its folder",
    isOnDisk: true,
    async strike({ file, root }, content) {
      await rename(`${root}/d`, `${root}/e`);
      await mkdir(`${root}/d`);
      await writeFile(file, LATE);
      return [content, LATE];
    },
  },
  {
    // All facts of the file agree; only its way there does not.
    name: "reached through a link that takes the place of its folder",
    isOnDisk: true,
    async strike({ root }, content) {
      await rename(`${root}/d`, `${root}/e`);
      await symlink("e", `${root}/d`);
      return [content];
    },
  },
  {
    name: "removed",
    isOnDisk: false,
    async strike({ file }) {
      await rm(file);
      return [];
    },
  },
  {
    name: "removed with its folder",
    isOnDisk: false,
    async strike({ root }) {
      await rm(`${root}/d`, { recursive: true });
      return [];
    },
  },
  {
    name: "renamed away",
    isOnDisk: false,
    async strike({ file, root }, content) {
      await rename(file, `${root}/b`);
      return [content];
    },
  },
  {
    name: "replaced by a symbolic link to another file",
    isOnDisk: true,
    async strike({ file, root, outside }, content) {
      await rename(file, `${root}/b`);
      await writeFile(`${outside}/target`, LATE);
      await symlink(`${outside}/target`, file);
      return [content, LATE];
    },
  },
  {
    name: "replaced by a symbolic link to itself in another place",
    isOnDisk: true,
    async strike({ file, root }, content) {
      await rename(`${root}/d`, `${root}/e`);
      await mkdir(`${root}/d`);
      await symlink("../e/a", file);
      return [content];
    },
  },
  {
    name: "given another mode",
    isOnDisk: false,
    isHarmless: true,
    async strike({ file }, content) {
      await chmod(file, 0o600);
      return [content];
    },
  },
];

describe("transfer: a file that is left alone", () => {
  for (const bytes of [
    0,
    1,
    2 ** 20,
    BUFFERED_BYTES_MAX,
    BUFFERED_BYTES_MAX + 1,
    BUFFERED_BYTES_MAX + 2 ** 20,
  ]) {
    it(`of ${bytes} bytes is stored byte by byte and removed`, async () => {
      const content = randomBytes(bytes);
      await using place = await makePlace(content);
      const outcome = await place.run();
      expect(outcome).to.deep.equal({
        kind: "removed",
        key: "d/a",
        bytes,
        sha256: sha256Of(content),
        attempts: 1,
        uploadMs: 0,
        wasStored: false,
        wasOpenedLate: false,
      });
      expect(place.store.objects.get("d/a")?.equals(content)).to.equal(true);
      expect(await exists(place.file)).to.equal(false);
      expect(Buffer.isBuffer(place.store.requests[0]?.body)).to.equal(bytes <= BUFFERED_BYTES_MAX);
    });
  }

  it("is found by its bytes, though its name is not UTF-8", async () => {
    await using place = await makePlace(LATE);
    const path = Buffer.from([0x64, 0x2f, 0xff, 0xfe]);
    const full = Buffer.concat([Buffer.from(`${place.root}/`), path]);
    await writeFile(full, "odd");
    const entry = entryOf(path, await lstat(full, { bigint: true }));
    await using context = await openContext(place.root, place.store);
    const outcome = await transferWhole(entry, context);
    expect(outcome.kind).to.equal("removed");
    expect(await exists(place.file)).to.equal(true);
    await rm(full, { force: true });
  });

  it("holds a large file in memory piece by piece only", async () => {
    await using place = await makePlace(Buffer.alloc(0));
    const bytes = 400 * 2 ** 20;
    await truncate(place.file, bytes);
    place.store.keepsBytes = false;
    let peak = 0;
    const before = process.memoryUsage().rss;
    const sample = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss - before);
    }, 1);
    const outcome = await place.run();
    clearInterval(sample);
    peak = Math.max(peak, process.memoryUsage().rss - before);
    expect(outcome).to.include({ kind: "removed", bytes });
    expect(peak).to.be.below(bytes / 2);
  });
});

describe("transfer: what strikes between the scan and the opening", () => {
  for (const { name, strike } of strikes) {
    it(`${name}: nothing is lost, whatever is sent`, async () => {
      const content = Buffer.from("the first content");
      await using place = await makePlace(content);
      let survivors: readonly Buffer[] = [];
      await place.run({}, async () => {
        await passTick(place.file, `${place.outside}/probe`);
        survivors = await strike(place, content);
      });
      await place.expectSafe(...survivors);
      for (const object of place.store.objects.values())
        expect(survivors.some((one) => one.equals(object))).to.equal(true);
    });
  }

  it("a change that makes it young again: nothing is sent, nothing is removed", async () => {
    await using place = await makePlace(LATE);
    const { ctimeMs } = await stat(place.file);
    const outcome = await place.run(
      { clock: { ...laterClock(), now: () => ctimeMs + 30_000 } },
      () =>
        // A second of the future; the clock stands still.
        utimes(place.file, new Date(ctimeMs + 1_000), new Date(ctimeMs + 1_000)),
    );
    expect(outcome).to.deep.equal({ kind: "kept", reason: "changed", key: "d/a" });
    expect(place.store.requests).to.have.length(0);
    expect(await exists(place.file)).to.equal(true);
  });

  it("a link is never followed, not even to the very file", async () => {
    await using place = await makePlace(LATE);
    const outcome = await place.run({}, async () => {
      await rename(`${place.root}/d`, `${place.root}/e`);
      await mkdir(`${place.root}/d`);
      await symlink("../e/a", place.file);
    });
    expect(outcome).to.deep.equal({ kind: "kept", reason: "changed", key: "d/a" });
    expect(place.store.requests).to.have.length(0);
    expect(await readFile(`${place.root}/e/a`)).to.deep.equal(LATE);
    expect((await lstat(place.file)).isSymbolicLink()).to.equal(true);
  });

  it("still open for writing: nothing is sent, nothing is removed", async () => {
    await using place = await makePlace(LATE);
    await using _ = await open(place.file, "r+");
    const outcome = await place.run();
    expect(outcome).to.deep.equal({ kind: "kept", reason: "busy", key: "d/a" });
    expect(place.store.requests).to.have.length(0);
    expect(await exists(place.file)).to.equal(true);
  });

  it("vanished", async () => {
    await using place = await makePlace(LATE);
    const outcome = await place.run({}, () => rm(place.file));
    expect(outcome).to.deep.equal({ kind: "kept", reason: "vanished", key: "d/a" });
  });

  it("its folder became a file", async () => {
    await using place = await makePlace(LATE);
    const outcome = await place.run({}, async () => {
      await rename(`${place.root}/d`, `${place.root}/e`);
      await writeFile(`${place.root}/d`, "");
    });
    expect(outcome).to.deep.equal({ kind: "kept", reason: "changed", key: "d/a" });
  });

  it("a FIFO without a writer holds nothing up", async () => {
    await using place = await makePlace(LATE);
    const outcome = await place.run({}, async () => {
      await rm(place.file);
      execFileSync("mkfifo", [place.file]);
    });
    expect(outcome).to.deep.equal({ kind: "kept", reason: "changed", key: "d/a" });
    expect((await lstat(place.file)).isFIFO()).to.equal(true);
  });

  it("the clock was set back, so that the file is young again: it is decided anew", async () => {
    await using place = await makePlace(LATE);
    const { ctimeMs } = await stat(place.file);
    const outcome = await place.run({ clock: { ...laterClock(), now: () => ctimeMs + 29_000 } });
    expect(outcome).to.deep.equal({ kind: "kept", reason: "changed", key: "d/a" });
    expect(place.store.requests).to.have.length(0);
    expect(await exists(place.file)).to.equal(true);
  });

  it("unreadable: told with the reason", async () => {
    if (process.seteuid === undefined) return;
    await using place = await makePlace(LATE);
    await chmod(place.file, 0);
    await chmod(place.base, 0o755);
    const isRoot = process.geteuid?.() === 0;
    const entry = await entryAt(place.root, "d/a");
    let outcome: Outcome;
    if (isRoot) process.seteuid(65_534);
    try {
      await using context = await openContext(place.root, place.store);
      outcome = await transferWhole(entry, context);
    } finally {
      if (isRoot) process.seteuid(0);
    }
    expect(outcome).to.include({
      kind: "failed",
      reason: "unreadable",
      scope: "file",
      attempts: 0,
    });
    expect(outcome.kind === "failed" && outcome.message).to.match(/^EACCES/);
  });
});

describe("transfer: what strikes during the upload", () => {
  for (const bytes of [20, BUFFERED_BYTES_MAX + 1]) {
    for (const { name, strike, isOnDisk, isHarmless } of strikes) {
      it(`${name} (${bytes} bytes)`, async () => {
        const content = Buffer.alloc(bytes, "first content ");
        await using place = await makePlace(content);
        let survivors: readonly Buffer[] = [];
        place.store.onPut = async () => {
          await passTick(place.file, `${place.outside}/probe`);
          survivors = await strike(place, content);
        };
        const outcome = await place.run();
        expect(outcome.kind).to.equal(isHarmless ? "removed" : "kept");
        expect(place.store.requests).to.have.length(1);
        expect(await exists(place.file)).to.equal(isOnDisk);
        await place.expectSafe(...survivors);
        for (const object of place.store.objects.values())
          expect(object.equals(content)).to.equal(true);
      });
    }
  }

  it("a writer ends the upload, and what he wrote goes with the next sweep", async () => {
    await using place = await makePlace(Buffer.from("one"));
    place.store.onPut = async (_, nth) => {
      if (nth > 1) return;
      await passTick(place.file, `${place.outside}/probe`);
      await appendFile(place.file, "two");
    };
    expect(await place.run()).to.deep.equal({ kind: "kept", reason: "busy", key: "d/a" });
    expect((await place.run()).kind).to.equal("removed");
    expect([...place.store.objects.values()].map(String)).to.deep.equal(["onetwo"]);
  });

  it("cancelled: kept, interrupted, and nothing is stored", async () => {
    for (const bytes of [20, BUFFERED_BYTES_MAX + 1]) {
      await using place = await makePlace(Buffer.alloc(bytes, "a"));
      const controller = new AbortController();
      place.store.onPut = () => controller.abort();
      const outcome = await place.run({ cancel: controller.signal });
      expect(outcome).to.deep.equal({ kind: "kept", reason: "interrupted", key: "d/a" });
      expect(await exists(place.file)).to.equal(true);
      expect(place.store.objects.size).to.equal(0);
    }
  });
});

describe("transfer: what the store answers", () => {
  for (const reply of ["store-without-checksum", "store-other-checksum", "portal"] as const) {
    it(`${reply}: the file stays`, async () => {
      await using place = await makePlace(LATE);
      place.store.reply = () => reply;
      expect(await place.run()).to.include({ kind: "failed", reason: "proof-failed", attempts: 1 });
      expect(await readFile(place.file)).to.deep.equal(LATE);
    });
  }

  for (const failure of [SLOW_DOWN, REFUSED]) {
    it(`${failure.code}: the file stays`, async () => {
      await using place = await makePlace(LATE);
      place.store.reply = () => failure;
      expect(await place.run()).to.deep.equal({
        kind: "failed",
        reason: failure.code,
        scope: failure.scope,
        message: failure.message,
        key: "d/a",
        attempts: failure.isRetryable ? 3 : 1,
      });
      expect(await readFile(place.file)).to.deep.equal(LATE);
    });
  }

  it("sends a large file anew for every try", async () => {
    const content = randomBytes(BUFFERED_BYTES_MAX + 5);
    await using place = await makePlace(content);
    place.store.reply = (_, nth): Reply => (nth < 3 ? SLOW_DOWN : "store");
    expect(await place.run()).to.include({ kind: "removed", attempts: 3 });
    await place.expectSafe(content);
  });

  it("lost answers, sweep after sweep: one object more at the most", async () => {
    await using place = await makePlace(LATE);
    place.store.reply = (_, nth): Reply => (nth === 1 ? "lose-answer" : REFUSED);
    expect((await place.run()).kind).to.equal("failed");
    place.store.reply = (_, nth): Reply => (nth === 3 ? "store" : "lose-answer");
    const outcome = await place.run();
    expect(outcome).to.include({ kind: "failed", attempts: 3 });
    place.store.reply = () => "store";
    expect(await place.run()).to.include({ kind: "removed", wasStored: true });
    expect(place.store.objects.size).to.equal(2);
    await place.expectSafe(LATE);
  });
});

describe("transfer: what cannot be removed", () => {
  it("fails as not-removable, and stays", async () => {
    await using place = await makePlace(LATE);
    try {
      execFileSync("chattr", ["+i", `${place.root}/d`], { stdio: "ignore" });
    } catch {
      // No filesystem with attributes, or not root: then the folder's mode does the same.
      await chmod(`${place.root}/d`, 0o555);
    }
    try {
      const outcome = await place.run();
      expect(outcome).to.include({ kind: "failed", reason: "not-removable", scope: "file" });
      expect(outcome.kind === "failed" && outcome.message).to.match(/^(EPERM|EACCES): /);
      expect(await readFile(place.file)).to.deep.equal(LATE);
    } finally {
      await chmod(`${place.root}/d`, 0o755).catch(() => undefined);
      try {
        execFileSync("chattr", ["-i", `${place.root}/d`], { stdio: "ignore" });
      } catch {
        // It was not set.
      }
    }
  });
});

describe("readContent", () => {
  async function withFile(
    content: Buffer,
    work: (file: Awaited<ReturnType<typeof open>>, path: string) => Promise<void>,
  ): Promise<void> {
    await using directory = await mkdtempDisposable(`${tmpdir()}/s3oa-read-`);
    const path = `${directory.path}/a`;
    await writeFile(path, content);
    await using file = await open(path, "r");
    await work(file, path);
  }
  const failureOf = (promise: Promise<unknown>) =>
    promise.then(
      () => undefined,
      (error: unknown) => error,
    );

  for (const bytes of [10, BUFFERED_BYTES_MAX + 10]) {
    it(`refuses a file that is shorter or longer than ${bytes} bytes`, async () => {
      await withFile(Buffer.alloc(bytes), async (file) => {
        for (const other of [bytes - 1, bytes + 1]) {
          expect(await failureOf(readContent(file, other, never))).to.be.instanceOf(
            FileChangedError,
          );
        }
        expect((await readContent(file, bytes, never)).sha256).to.equal(
          sha256Of(Buffer.alloc(bytes)),
        );
      });
    });
  }

  for (const at of [0, BUFFERED_BYTES_MAX + 9]) {
    it(`never gives out all of a file whose byte ${at} changed between the two readings`, async () => {
      const bytes = BUFFERED_BYTES_MAX + 10;
      await withFile(Buffer.alloc(bytes), async (file, path) => {
        const body = (await readContent(file, bytes, never)).body();
        const writer = await open(path, "r+");
        await writer.write("x", at);
        await writer.close();
        let given = 0;
        const failure = await failureOf(
          (async () => {
            for await (const piece of body) given += Buffer.isBuffer(piece) ? piece.length : 1;
          })(),
        );
        expect(failure).to.be.instanceOf(FileChangedError);
        expect(given).to.be.below(bytes);
      });
    });
  }

  it("gives up with the signal's reason", async () => {
    const reason = new Error("stop");
    await withFile(Buffer.alloc(10), async (file) => {
      expect(await failureOf(readContent(file, 10, AbortSignal.abort(reason)))).to.equal(reason);
    });
  });
});
