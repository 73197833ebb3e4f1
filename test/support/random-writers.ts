import { createHash } from "node:crypto";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { errnoOf } from "../../src/lib/errors.ts";
import { CONTENT_MARK } from "../../tools/marks.ts";
import { Oracle } from "./oracle.ts";

/** Where producers write. That one is a name in a folder of another one is on purpose. */
const PATHS = ["a", "b", "d", "d/a", "d/b", "d/e/c"] as const;

const KINDS = [
  ...["create", "append", "overwrite", "truncate", "begin", "finish", "rename-over"],
  ...["link", "chmod", "set-time", "delete", "recreate", "swap", "make-directory", "rename-away"],
] as const;

/** How far ahead of now or back the time of a file is set, in milliseconds. */
const TIMES_MS = [-3_600_000, -40_000, 10_000, 40_000, 3_600_000] as const;

/** One thing that a producer does. What is not possible at the moment is not done. */
export interface Act {
  readonly kind: (typeof KINDS)[number];
  readonly path: (typeof PATHS)[number];
  readonly to: (typeof PATHS)[number];
  readonly ms: (typeof TIMES_MS)[number];
}

export const anyAct: fc.Arbitrary<Act> = fc.record({
  kind: fc.oneof(
    fc.constantFrom(...KINDS),
    // What meets the agent at work most.
    fc.constantFrom(...(["create", "append", "overwrite", "begin", "rename-over"] as const)),
  ),
  path: fc.constantFrom(...PATHS),
  to: fc.constantFrom(...PATHS),
  ms: fc.constantFrom(...TIMES_MS),
});

/**
 * Producers that do what a schedule says, in the process of the agent itself, and tell an oracle.
 * What opens a file for writing is asynchronous, so that it can wait for the agent's lease; all
 * else is synchronous, so that no step of the agent comes between a look and a deed, and what is
 * told is exactly what was done.
 */
export class RandomWriters {
  readonly oracle = new Oracle();
  readonly #root: string;
  readonly #away: string;
  /** Files that producers have open. */
  readonly #writings: FileHandle[] = [];
  /** Inodes of which a producer itself has removed the last name. */
  readonly #removed = new Set<bigint>();
  /** SHA-256 of a content to the time that its file says of itself, in milliseconds. */
  readonly #changedAt = new Map<string, number>();
  /** The earliest of these since the sweep began. */
  #earliestAt = new Map<string, number>();
  #contents = 0;
  #names = 0;
  #queue: Promise<void> = Promise.resolve();

  /** @param away a folder of the same filesystem, for what is taken out of the watched directory */
  constructor(root: string, away: string) {
    this.#root = root;
    this.#away = away;
  }

  /** A sweep begins. */
  beginSweep(): void {
    this.#earliestAt = new Map(this.#changedAt);
  }

  /**
   * When a content was written, or what its file's time was set to, if that is later. If that has
   * changed since the sweep began, the agent may have looked before.
   */
  changedAt(sha256: string): number | undefined {
    return this.#earliestAt.get(sha256);
  }

  /** Does one thing after the other, whoever asks. */
  act(act: Act): Promise<void> {
    this.#queue = this.#queue.then(async () => {
      try {
        await this.#act(act, join(this.#root, act.path), join(this.#root, act.to));
      } catch (error) {
        if (errnoOf(error) === undefined) throw error;
      }
    });
    return this.#queue;
  }

  /** Makes a file wherever one can be. */
  async createAll(): Promise<void> {
    // The deepest first: a file in the place of a folder would be in their way.
    for (const path of PATHS.toReversed())
      await this.act({ kind: "create", path, to: path, ms: 10_000 });
  }

  /** Finishes every file that is open. */
  async finishAll(): Promise<void> {
    await this.#queue;
    while (this.#writings.length > 0) await this.#finish();
  }

  async #act({ kind, ms }: Act, path: string, to: string): Promise<void> {
    switch (kind) {
      case "create":
        return await this.#create(path);
      case "append":
      case "overwrite":
      case "truncate":
        return await this.#change(kind, path);
      case "begin":
        return await this.#begin(path);
      case "finish":
        return await this.#finish();
      case "rename-over":
        return this.#renameOver(path);
      case "link":
        return linkSync(path, to);
      case "chmod":
        return chmodSync(path, ms > 0 ? 0o600 : 0o444);
      case "set-time":
        return this.#setTime(path, ms);
      case "delete":
        return this.#delete(path);
      case "recreate":
        this.#delete(path);
        return await this.#create(path);
      case "swap":
        return symlinkSync(this.#renameAway(path), path);
      case "make-directory":
        this.#renameAway(path);
        return mkdirSync(path);
      case "rename-away":
        this.#renameAway(path);
    }
  }

  async #create(path: string): Promise<void> {
    mkdirSync(dirname(path), { recursive: true });
    await using file = await open(path, "wx");
    const content = this.#newContent();
    await file.writeFile(content);
    await this.#closing(file, content);
  }

  async #change(kind: "append" | "overwrite" | "truncate", path: string): Promise<void> {
    // It waits for the agent's lease to be released; from here on the agent gets none.
    await using file = await open(path, "r+");
    const before = await file.readFile("utf8");
    const more = this.#newContent();
    const content = { append: before + more, overwrite: more, truncate: before.slice(0, 8) }[kind];
    await this.#leaving(file, before);
    if (kind !== "append") await file.truncate(content.length);
    if (kind !== "truncate") await file.write(more, kind === "append" ? before.length : 0);
    await this.#closing(file, content);
  }

  /** Appends to a file, or makes it, and leaves it open. */
  async #begin(path: string): Promise<void> {
    const file = await open(path, "r+").catch(() => open(path, "wx+"));
    const before = await file.readFile("utf8");
    const half = this.#newContent();
    await this.#leaving(file, before);
    await file.write(half, before.length);
    this.#writings.push(file);
  }

  async #finish(): Promise<void> {
    await using file = this.#writings.shift();
    if (file === undefined) return;
    // Other producers may have changed it meanwhile.
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(size), 0, size, 0);
    const before = buffer.toString();
    const rest = this.#newContent();
    await this.#leaving(file, before);
    await file.write(rest, before.length);
    await this.#closing(file, before + rest);
  }

  #renameOver(path: string): void {
    const spare = this.#nameAway();
    const content = this.#newContent();
    writeFileSync(spare, content);
    this.#close(content);
    this.#dropping(path);
    renameSync(spare, path);
  }

  #setTime(path: string, ms: number): void {
    const content = readRegular(path);
    const at = Date.now() + ms;
    utimesSync(path, at / 1_000, at / 1_000);
    if (content !== undefined) this.#setChanged(sha256Of(content), Math.max(Date.now(), at));
  }

  #delete(path: string): void {
    this.#dropping(path);
    unlinkSync(path);
  }

  #renameAway(path: string): string {
    const name = this.#nameAway();
    renameSync(path, name);
    return name;
  }

  /** The producer takes the name from what is there, which may be its last one. */
  #dropping(path: string): void {
    const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    const content = readRegular(path);
    if (stats === undefined || content === undefined || stats.nlink > 1n) return;
    this.#removed.add(stats.ino);
    this.#abandon(content);
  }

  /** The producer is about to change what is in an open file. */
  async #leaving(file: FileHandle, content: string): Promise<void> {
    const { nlink, ino } = await file.stat({ bigint: true });
    if (nlink === 0n) return;
    // The number of a removed inode is given again.
    this.#removed.delete(ino);
    this.#abandon(content);
  }

  /** The file is whole. If its last name is gone, that must have been a producer's own doing. */
  async #closing(file: FileHandle, content: string): Promise<void> {
    const { nlink, ino } = await file.stat({ bigint: true });
    if (nlink === 0n && this.#removed.has(ino)) return;
    this.#removed.delete(ino);
    this.#close(content);
  }

  #close(content: string): void {
    this.oracle.closed("any", content);
    this.#setChanged(sha256Of(content), Date.now());
  }

  #setChanged(sha256: string, at: number): void {
    this.#changedAt.set(sha256, at);
    this.#earliestAt.set(sha256, Math.min(at, this.#earliestAt.get(sha256) ?? at));
  }

  /** What was never whole stays what nobody has closed. */
  #abandon(content: string): void {
    if (this.#changedAt.has(sha256Of(content))) this.oracle.abandoned("any", content);
  }

  #newContent(): string {
    this.#contents += 1;
    return `${`${this.#contents}`.padStart(6, "0")}: ${CONTENT_MARK}\n`;
  }

  #nameAway(): string {
    this.#names += 1;
    return join(this.#away, `${this.#names}`);
  }
}

function readRegular(path: string): string | undefined {
  const isFile = lstatSync(path, { throwIfNoEntry: false })?.isFile() === true;
  return isFile ? readFileSync(path, "utf8") : undefined;
}

function sha256Of(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}
