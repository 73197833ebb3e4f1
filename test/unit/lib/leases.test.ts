import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { holdsReadLease } from "../../../src/lib/kernel.ts";
import { type Lease, LeaseKeeper } from "../../../src/lib/leases.ts";
import { startModule, startShell } from "../../support/child.ts";

const LEASES = import.meta.resolve("../../../src/lib/leases.ts");
const KOFFI = import.meta.resolve("koffi");

/** Opens a file for appending, which waits for a lease, and says when it has it. */
const WRITER = 'exec 3>>"$1"; echo open; echo late >&3';

/** truncate(2), which opens nothing. */
const TRUNCATER = `
import koffi from ${JSON.stringify(KOFFI)};
const truncate = koffi.load("libc.so.6").func("int truncate(const char *, int64_t)");
process.stdout.write("truncate: " + truncate(process.argv[1], 0) + "\\n");
`;

/** Opens for writing without waiting, and says what came of it; once more for every line it hears. */
const HASTY_WRITER = `
import { closeSync, constants, openSync } from "node:fs";
const once = () => {
  try {
    closeSync(openSync(process.argv[1], constants.O_WRONLY | constants.O_NONBLOCK));
    console.log("open");
  } catch ({ code }) {
    console.log(code);
  }
};
once();
process.stdin.on("data", once);
`;

/** Holds a lease until it is broken, and says so. */
const HOLDER = `
import { openSync } from "node:fs";
import { LeaseKeeper } from ${JSON.stringify(LEASES)};
const { kind, lease } = new LeaseKeeper().take(openSync(process.argv[1], "r"));
lease.broken.addEventListener("abort", () => {
  console.log("broken");
  process.exit(0);
});
console.log(kind);
setInterval(() => undefined, 60_000);
`;

async function makePlace() {
  const folder = await mkdtempDisposable(`${tmpdir()}/s3oa-leases-`);
  const keeper = new LeaseKeeper();
  const opened = new Set<number>();
  const open = (path: string) => {
    const fd = openSync(path, "r");
    opened.add(fd);
    return fd;
  };
  return {
    keeper,
    path: (name: string) => `${folder.path}/${name}`,
    open,
    close(fd: number) {
      opened.delete(fd);
      closeSync(fd);
    },
    /** A new file, with the lease on it. */
    async lease(name: string) {
      const path = `${folder.path}/${name}`;
      await writeFile(path, "content");
      const fd = open(path);
      return { path, fd, lease: held(keeper.take(fd)) };
    },
    async [Symbol.asyncDispose]() {
      keeper[Symbol.dispose]();
      for (const fd of opened) closeSync(fd);
      await folder.remove();
    },
  };
}

function held(wish: ReturnType<LeaseKeeper["take"]>): Lease {
  if (wish.kind !== "held") throw new Error(`the lease is ${wish.kind}`);
  return wish.lease;
}

/** Resolves when the lease is broken and given up. */
async function brokenLease({ broken }: Lease): Promise<void> {
  if (broken.aborted) return;
  await new Promise((resolve) => broken.addEventListener("abort", resolve));
}

/** Whether somebody waits for the end of a lease on the file, from proc(5) `locks`. */
function isAwaited(path: string): boolean {
  const { ino } = statSync(path);
  const lines = readFileSync("/proc/locks", "utf8").split("\n");
  return lines.some((line) => /LEASE +BREAKING/.test(line) && line.includes(`:${ino} `));
}

/** Holds this process up, signals and all, until somebody waits for each of the files. */
function standStillUntilAwaited(paths: readonly string[]): void {
  const inodes = paths.map((path) => statSync(path).ino);
  const script = 'for i; do until grep -q "BREAKING.*:$i " /proc/locks; do :; done; done';
  execFileSync("sh", ["-c", script, "sh", ...inodes.map(String)]);
}

describe("LeaseKeeper", () => {
  it("lets a writer wait until the action has run, and then lets him go on", async () => {
    await using place = await makePlace();
    const { path, lease } = await place.lease("f");
    const seen: boolean[] = [];
    lease.setBeforeWriter(() => seen.push(isAwaited(path), lease.broken.aborted));
    expect(lease.isHeld()).to.equal(true);
    await using writer = startShell(WRITER, path);
    expect(await writer.line()).to.equal("open");
    expect(seen).to.deep.equal([true, false]);
    await brokenLease(lease);
    expect(lease.isHeld()).to.equal(false);
    expect(place.keeper.size).to.equal(0);
    await writer.ended();
    expect(await readFile(path, "utf8")).to.equal("contentlate\n");
  });

  it("says that a lease is held no more from the moment that a writer waits", async () => {
    await using place = await makePlace();
    const { path, lease } = await place.lease("f");
    await using _writer = startShell(WRITER, path);
    standStillUntilAwaited([path]);
    expect(lease.isHeld()).to.equal(false);
    expect(lease.broken.aborted).to.equal(false);
    await brokenLease(lease);
  });

  it("looks at all leases at one signal, since several signals become one", async () => {
    await using place = await makePlace();
    const all = await Promise.all(["a", "b", "c"].map((name) => place.lease(name)));
    const other = await place.lease("d");
    const writers = all.map(({ path }) => startShell(WRITER, path));
    await using stack = new AsyncDisposableStack();
    for (const writer of writers) stack.use(writer);
    const first = new Promise<boolean[]>((resolve) =>
      // Behind the keeper's own listener.
      process.once("SIGIO", () => resolve(all.map(({ lease }) => lease.broken.aborted))),
    );
    standStillUntilAwaited(all.map(({ path }) => path));
    expect(await first).to.deep.equal([true, true, true]);
    for (const writer of writers) expect(await writer.line()).to.equal("open");
    expect(other.lease.isHeld()).to.equal(true);
    expect(place.keeper.size).to.equal(1);
  });

  it("an action that throws holds up no writer, neither its own nor another's", async () => {
    await using place = await makePlace();
    const all = await Promise.all(["a", "b"].map((name) => place.lease(name)));
    const failure = new Error("it went wrong");
    for (const { lease } of all) {
      lease.setBeforeWriter(() => {
        throw failure;
      });
    }
    const writers = all.map(({ path }) => startShell(WRITER, path));
    await using stack = new AsyncDisposableStack();
    for (const writer of writers) stack.use(writer);
    standStillUntilAwaited(all.map(({ path }) => path));
    for (const writer of writers) expect(await writer.line()).to.equal("open");
    for (const { lease } of all) expect(lease.broken.reason.cause).to.equal(failure);
  });

  it("runs the action that was set last, or none, and only once", async () => {
    await using place = await makePlace();
    const all = await Promise.all(["a", "b"].map((name) => place.lease(name)));
    const ran: string[] = [];
    all[0]?.lease.setBeforeWriter(() => ran.push("first"));
    all[0]?.lease.setBeforeWriter(() => ran.push("last"));
    all[1]?.lease.setBeforeWriter(() => ran.push("none"));
    all[1]?.lease.setBeforeWriter(undefined);
    for (const { path } of [...all, ...all]) {
      await using writer = startShell(WRITER, path);
      await writer.ended();
    }
    expect(ran).to.deep.equal(["last"]);
  });

  it("a file that is written to is busy, and no lease is kept", async () => {
    await using place = await makePlace();
    const { path, lease } = await place.lease("f");
    lease.release();
    await using writer = startShell('exec 3>>"$1"; echo open; read _', path);
    expect(await writer.line()).to.equal("open");
    expect(place.keeper.take(place.open(path))).to.deep.equal({ kind: "busy" });
    expect(place.keeper.size).to.equal(0);
  });

  it("a lease that was given up keeps nobody waiting, and its action never runs", async () => {
    await using place = await makePlace();
    const { path, fd, lease } = await place.lease("f");
    let hasRun = false;
    lease.setBeforeWriter(() => {
      hasRun = true;
    });
    lease.release();
    expect([lease.isHeld(), holdsReadLease(fd), place.keeper.size]).to.deep.equal([
      false,
      false,
      0,
    ]);
    await using writer = startShell(WRITER, path);
    expect(await writer.line()).to.equal("open");
    expect([hasRun, lease.broken.aborted]).to.deep.equal([false, false]);
  });

  it("an old lease says nothing of a new one on the same descriptor number, and does not end it", async () => {
    await using place = await makePlace();
    for (const isReleased of [true, false]) {
      const old = await place.lease("old");
      let hasRun = false;
      old.lease.setBeforeWriter(() => {
        hasRun = true;
      });
      if (isReleased) old.lease.release();
      place.close(old.fd);
      const now = await place.lease("now");
      expect(now.fd).to.equal(old.fd);
      expect(old.lease.isHeld()).to.equal(false);
      old.lease.release();
      expect(now.lease.isHeld()).to.equal(true);
      await using writer = startShell(WRITER, now.path);
      await brokenLease(now.lease);
      expect(hasRun).to.equal(false);
      await writer.ended();
      place.close(now.fd);
    }
  });

  it("a writer that does not wait is sent away, and can write afterwards", async () => {
    await using place = await makePlace();
    const { path, lease } = await place.lease("f");
    let hasRun = false;
    lease.setBeforeWriter(() => {
      hasRun = true;
    });
    await using writer = startModule(HASTY_WRITER, path);
    expect(await writer.line()).to.equal("EAGAIN");
    await brokenLease(lease);
    expect(hasRun).to.equal(true);
    writer.say("again");
    expect(await writer.line()).to.equal("open");
  });

  it("truncate(2) by another process waits for the action like an open", async () => {
    await using place = await makePlace();
    const { path, lease } = await place.lease("f");
    let bytes = -1;
    lease.setBeforeWriter(() => {
      bytes = statSync(path).size;
    });
    await using truncater = startModule(TRUNCATER, path);
    expect(await truncater.line()).to.equal("truncate: 0");
    expect(bytes).to.equal("content".length);
    expect(lease.broken.aborted).to.equal(true);
    expect(statSync(path).size).to.equal(0);
  });

  it("a process that holds leases does not die of their breaking", async () => {
    await using place = await makePlace();
    const path = place.path("f");
    await writeFile(path, "content");
    await using holder = startModule(HOLDER, path);
    expect(await holder.line()).to.equal("held");
    await using writer = startShell(WRITER, path);
    expect(await writer.line()).to.equal("open");
    expect(await holder.line()).to.equal("broken");
    expect(await holder.ended()).to.equal(0);
  });

  it("disposed of: all leases are given up, waiting writers go on, and its listener is gone", async () => {
    const listeners = process.listenerCount("SIGIO");
    await using place = await makePlace();
    expect(process.listenerCount("SIGIO")).to.equal(listeners + 1);
    const all = await Promise.all(["a", "b"].map((name) => place.lease(name)));
    // Another keeper stays, so that the signal of the writer below ends nothing.
    using _other = new LeaseKeeper();
    await using writer = startShell(WRITER, place.path("a"));
    standStillUntilAwaited([place.path("a")]);
    place.keeper[Symbol.dispose]();
    expect(place.keeper.size).to.equal(0);
    expect(process.listenerCount("SIGIO")).to.equal(listeners + 1);
    expect(await writer.line()).to.equal("open");
    for (const { fd, lease } of all) {
      expect([lease.isHeld(), holdsReadLease(fd)]).to.deep.equal([false, false]);
    }
  });
});
