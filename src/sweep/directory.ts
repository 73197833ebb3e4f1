import { type BigIntStats, constants, lstatSync } from "node:fs";
import { type FileHandle, open, opendir, readFile } from "node:fs/promises";
import { isErrno } from "../lib/errors.ts";
import { join, namesOf } from "./path-bytes.ts";

/** Another filesystem is mounted at this place: its files cannot be moved within ours. */
export class OtherMountError extends Error {
  constructor() {
    super("another filesystem is mounted there; give it a route of its own");
    this.name = "OtherMountError";
  }
}

const OPEN_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * The watched directory or one below it, held open. Everything in it is reached through its
 * descriptor, so that a directory swapped for a link leads nowhere else. INVARIANTS:
 *
 * - Its parent stays open as long as it does.
 * - It was opened without following a link, and lies in the same mount as the watched directory.
 * - The descriptor closes when the last holder lets go.
 */
export class Directory {
  /** Relative to the watched directory; empty for that itself. */
  readonly path: Buffer;
  readonly #file: FileHandle;
  readonly #stats: BigIntStats;
  readonly #mountId: string;
  readonly #name: Buffer;
  readonly #parent: Directory | undefined;
  #holders = 1;

  /** The watched directory itself. The handle stays its owner's: it is not closed here. */
  static async ofRoot(file: FileHandle): Promise<Directory> {
    const stats = await file.stat({ bigint: true });
    const nothing = Buffer.alloc(0);
    const mountId = await mountIdOf(file.fd);
    return new Directory({ file, stats, mountId, path: nothing, name: nothing, parent: undefined });
  }

  private constructor(parts: {
    file: FileHandle;
    stats: BigIntStats;
    mountId: string;
    path: Buffer;
    name: Buffer;
    parent: Directory | undefined;
  }) {
    this.path = parts.path;
    this.#file = parts.file;
    this.#stats = parts.stats;
    this.#mountId = parts.mountId;
    this.#name = parts.name;
    this.#parent = parts.parent;
  }

  get fd(): number {
    return this.#file.fd;
  }

  /** A path that leads to a name in this very directory, wherever that is now. */
  at(name: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.fd}/`), name]);
  }

  /**
   * Opens a directory in this one. Its first holder is the caller.
   * @throws OtherMountError; system errors: ELOOP or ENOTDIR if it is no directory (any more)
   */
  async openChild(name: Buffer): Promise<Directory> {
    const file = await open(this.at(name), OPEN_FLAGS);
    try {
      const mountId = await mountIdOf(file.fd);
      if (mountId !== this.#mountId) throw new OtherMountError();
      const stats = await file.stat({ bigint: true });
      const path = join(this.path, name);
      const child = new Directory({ file, stats, mountId, path, name, parent: this });
      this.hold();
      return child;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The names in it, in the order the kernel gives. */
  async *names(): AsyncGenerator<Buffer> {
    // Node takes the encoding "buffer" here as it does for readdir; its types only say so there.
    const encoding = "buffer" as BufferEncoding;
    const path = `/proc/self/fd/${this.fd}`;
    for await (const { name } of await opendir(path, { encoding, bufferSize: 128 })) {
      yield name as unknown as Buffer;
    }
  }

  /**
   * Whether it still stands where it was opened, all the way up to the watched directory: none of
   * the names on the way was given to something else. Synchronous, to be asked just before a file
   * is renamed or removed.
   */
  isInPlace(): boolean {
    if (this.#parent === undefined) return true;
    const now = lstatSync(this.#parent.at(this.#name), { bigint: true, throwIfNoEntry: false });
    const isSame = now !== undefined && now.ino === this.#stats.ino && now.dev === this.#stats.dev;
    return isSame && this.#parent.isInPlace();
  }

  /** One holder more. */
  hold(): void {
    this.#holders += 1;
  }

  /** One holder less. */
  async release(): Promise<void> {
    this.#holders -= 1;
    if (this.#holders > 0 || this.#parent === undefined) return;
    // It was only read: that it cannot be closed well is no reason for anything.
    await this.#file.close().catch(() => undefined);
    await this.#parent.release();
  }
}

/** So many directories stay open for the next file in them. */
export const CACHED_MAX = 32;

/** Opens directories below the watched one, name by name, and keeps those last used. */
export class Directories implements AsyncDisposable {
  readonly root: Directory;
  /** By path; the one used last is last. The cache is a holder of each. */
  readonly #cached = new Map<string, Directory>();

  constructor(root: Directory) {
    this.root = root;
  }

  /**
   * Opens a directory. The caller becomes a holder.
   * @param path relative to the watched directory
   * @throws OtherMountError; system errors, ENOENT if it stands there no longer
   */
  async open(path: Buffer): Promise<Directory> {
    let directory = this.root;
    directory.hold();
    for (const name of namesOf(path)) {
      const parent = directory;
      try {
        directory =
          (await this.#takeCached(join(parent.path, name))) ?? (await this.#open(parent, name));
      } finally {
        await parent.release();
      }
    }
    return directory;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const cached = [...this.#cached.values()];
    this.#cached.clear();
    for (const directory of cached) await directory.release();
  }

  async #takeCached(path: Buffer): Promise<Directory | undefined> {
    const key = path.toString("latin1");
    const cached = this.#cached.get(key);
    if (cached === undefined) return undefined;
    this.#cached.delete(key);
    if (!isInPlace(cached)) {
      await cached.release();
      return undefined;
    }
    this.#cached.set(key, cached);
    cached.hold();
    return cached;
  }

  async #open(parent: Directory, name: Buffer): Promise<Directory> {
    const directory = await parent.openChild(name);
    const key = directory.path.toString("latin1");
    // Somebody else may have opened it meanwhile; one is enough.
    const superseded = this.#cached.get(key);
    this.#cached.delete(key);
    this.#cached.set(key, directory);
    directory.hold();
    await superseded?.release();
    // Looked for only now: others open and evict while this one waits.
    while (this.#cached.size > CACHED_MAX) {
      const [[path, oldest] = []] = this.#cached;
      this.#cached.delete(path ?? "");
      await oldest?.release();
    }
    return directory;
  }
}

/** A directory that cannot be looked at is not where it was. */
function isInPlace(directory: Directory): boolean {
  try {
    return directory.isInPlace();
  } catch (error) {
    if (isErrno(error, "ENOTDIR", "EACCES", "ENOENT", "ELOOP")) return false;
    throw error;
  }
}

/** Which mount an open file lies in, from proc(5) `fdinfo`. */
async function mountIdOf(fd: number): Promise<string> {
  const text = await readFile(`/proc/self/fdinfo/${fd}`, "utf8");
  return /^mnt_id:\s*(\d+)/m.exec(text)?.[1] ?? "";
}
