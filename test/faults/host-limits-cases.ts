import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoOf } from "../../src/lib/errors.ts";
import { makeHostWithFakeS3, problemsOf } from "../support/fault-cases.ts";
import type { Sweep } from "../support/fault-host.ts";
import type { Verdict } from "../support/oracle.ts";

type Host = Awaited<ReturnType<typeof makeHostWithFakeS3>>;

/** What came of a case: what is wrong, each in one line. */
export interface Result {
  readonly problems: readonly string[];
  readonly verdict: Verdict;
}

export interface HostCase {
  /** What keeps it from running on some machine; for the others it is a failure. */
  readonly mayLack?: boolean;
  run(): Promise<Result>;
}

const FILES = 12;

/** How many descriptors the agent may have; below 24 or so Node itself does not start. */
const DESCRIPTORS = [26, 28, 32, 40, 64] as const;
const FILES_FOR_DESCRIPTORS = 80;

/** Mounts a filesystem of its own and removes it again. Only for a mount namespace of one's own. */
async function mounted(
  type: "tmpfs" | "ext4",
  options: string,
): Promise<AsyncDisposable & { path: string }> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), "s3oa-limits-")));
  const path = join(folder.path, "mount");
  mkdirSync(path);
  if (type === "tmpfs") run("mount", "-t", "tmpfs", "-o", options, "none", path);
  else {
    const image = join(folder.path, "image");
    run("truncate", "-s", "8M", image);
    run("mkfs.ext4", "-q", "-m", "0", ...options.split(" "), image);
    run("mount", "-o", "loop", image, path);
  }
  stack.defer(() => run("umount", "--lazy", path));
  const owned = stack.move();
  return { path, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] });
}

async function produceFiles(host: Host, count = FILES): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await host.produce(
      `${index % 3}/${index}.csv`,
      index === 0 ? "" : `file ${index}\n`.repeat(200),
    );
  }
}

/** Writes until there is no room for a single byte more. */
function fill(path: string): void {
  for (let bytes = 2 ** 20; bytes >= 1; ) {
    try {
      writeFileSync(path, Buffer.alloc(bytes), { flag: "a", flush: true });
    } catch (error) {
      if (errnoOf(error) !== "ENOSPC") throw error;
      bytes = Math.floor(bytes / 2);
    }
  }
}

function hasEvent(sweep: Sweep, event: string, text: RegExp): boolean {
  return sweep.records.some((one) => one["event"] === event && text.test(JSON.stringify(one)));
}

/** The limit is no more: a sweep or two end the work. */
async function endWell(host: Host, problems: string[]): Promise<Result> {
  problems.push(...problemsOf(await host.verify()).map((one) => `under the limit: ${one}`));
  await host.produce("later.csv", "and another one\n");
  let clean = await host.sweep();
  if ((await host.left()).length > 0) clean = await host.sweep();
  const verdict = await host.verify();
  problems.push(...problemsOf(verdict).map((one) => `at the end: ${one}`));
  const left = await host.left();
  if (clean.exitCode !== 0 || left.length > 0) {
    problems.push(`the next sweep ended with ${clean.exitCode}, left ${left.join(", ")}`);
    problems.push(clean.stdout, clean.stderr);
  }
  return { problems, verdict };
}

/**
 * A full disk, for the watched and the state directory.
 * @param staysFull what is removed has another name elsewhere, so that no room is made
 */
async function onFullDisk(
  type: "tmpfs" | "ext4",
  options: string,
  about: { readonly staysFull: boolean; readonly fill: (folder: string) => void },
): Promise<Result> {
  await using disk = await mounted(type, options);
  await using host = await makeHostWithFakeS3({ directory: disk.path });
  const problems: string[] = [];
  await produceFiles(host);
  if (about.staysFull) {
    for (const [index, name] of (await host.left()).entries()) {
      linkSync(join(host.watched, name), join(host.folder, `other-${index}`));
    }
  }
  const filler = join(host.folder, "filler");
  mkdirSync(filler);
  about.fill(filler);
  const swept = await host.sweep();
  const left = await host.left();
  if (left.length > 0) problems.push(`left: ${left.join(", ")}: ${swept.stdout}${swept.stderr}`);
  if (about.staysFull && !hasEvent(swept, "state.unwritable", /ENOSPC/)) {
    problems.push(`nothing said of the full disk: ${swept.stdout}${swept.stderr}`);
  }
  rmSync(filler, { recursive: true });
  return await endWell(host, problems);
}

const fillBytes = (folder: string) => fill(join(folder, "bytes"));

function fillInodes(folder: string): void {
  for (let index = 0; ; index += 1) {
    try {
      writeFileSync(join(folder, `${index}`), "");
    } catch (error) {
      if (errnoOf(error) !== "ENOSPC") throw error;
      return;
    }
  }
}

export const HOST_CASES: Readonly<Record<string, HostCase>> = {
  "a full tmpfs, room is made": {
    run: () => onFullDisk("tmpfs", "size=2m", { staysFull: false, fill: fillBytes }),
  },
  "a full tmpfs, no room is made": {
    run: () => onFullDisk("tmpfs", "size=2m", { staysFull: true, fill: fillBytes }),
  },
  "a full ext4, room is made": {
    mayLack: true,
    run: () => onFullDisk("ext4", "-b 1024", { staysFull: false, fill: fillBytes }),
  },
  "a full ext4, no room is made": {
    mayLack: true,
    run: () => onFullDisk("ext4", "-b 1024", { staysFull: true, fill: fillBytes }),
  },
  "a tmpfs out of inodes": {
    run: () => onFullDisk("tmpfs", "size=8m,nr_inodes=80", { staysFull: true, fill: fillInodes }),
  },
  "an ext4 out of inodes": {
    mayLack: true,
    run: () => onFullDisk("ext4", "-b 1024 -N 80", { staysFull: true, fill: fillInodes }),
  },

  "a state directory that is read-only": {
    async run() {
      await using host = await makeHostWithFakeS3();
      const problems: string[] = [];
      await produceFiles(host);
      run("mount", "--bind", host.state, host.state);
      run("mount", "-o", "remount,bind,ro", host.state);
      const swept = await host.sweep();
      run("umount", "--lazy", host.state);
      const left = await host.left();
      if (left.length > 0) problems.push(`left: ${left.join(", ")}: ${swept.stdout}`);
      const isTold = hasEvent(swept, "state.unwritable", new RegExp(`${host.state}.*EROFS`));
      if (!isTold) problems.push(`nothing said of it: ${swept.stdout}${swept.stderr}`);
      return await endWell(host, problems);
    },
  },

  "a watched directory that turns read-only": {
    async run() {
      await using host = await makeHostWithFakeS3();
      const problems: string[] = [];
      await produceFiles(host);
      run("mount", "--bind", host.watched, host.watched);
      const during = () => run("mount", "-o", "remount,bind,ro", host.watched);
      host.s3.onPut(({ index }) =>
        index === FILES / 2 ? { kind: "hook", during, when: "before-store" } : undefined,
      );
      const swept = await host.sweep();
      host.s3.onPut(undefined);
      run("umount", "--lazy", host.watched);
      if ((await host.left()).length === 0) problems.push("it did not turn read-only in time");
      const isTold = hasEvent(swept, "file.failed", /"not-removable".*EROFS/);
      if (!isTold) problems.push(`nothing said of it: ${swept.stdout}${swept.stderr}`);
      const uploads = host.s3.requests.length;
      const result = await endWell(host, problems);
      // One for the file that came later; what was uploaded before is on the ledger.
      const again = host.s3.requests.length - uploads - 1;
      return again === 0 ? result : { ...result, problems: [...problems, `${again} sent again`] };
    },
  },

  "few descriptors": {
    async run() {
      await using host = await makeHostWithFakeS3({ parameters: { concurrency: "8" } });
      const problems: string[] = [];
      for (const descriptors of DESCRIPTORS) {
        await produceFiles(host, FILES_FOR_DESCRIPTORS);
        const swept = await host.sweep(undefined, ["prlimit", `--nofile=${descriptors}`]);
        const said = `${swept.stdout}${swept.stderr}`;
        const isWell = swept.exitCode === 0 && (await host.left()).length === 0;
        const isTold = swept.exitCode !== null && /EMFILE/.test(said);
        const isBug = said.includes("bug of the agent");
        if (isBug || (!isWell && !isTold)) {
          problems.push(`${descriptors} descriptors: ${swept.killedBy ?? swept.exitCode}: ${said}`);
        }
        problems.push(...problemsOf(await host.verify()));
      }
      return await endWell(host, problems);
    },
  },
};
