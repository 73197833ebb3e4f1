import { posix } from "node:path";
import { original as fs } from "./originals.ts";

/** Which inode: a number is given again, a number with a time of birth is not. */
type Inode = string;

/**
 * Remembers what of a directory has reached the disk for good, and takes everything else back, as
 * a power cut may do. Contents are durable as they were at the last fsync of their file, and as
 * they were when the process started. Names are durable at an fsync of their directory and, as on
 * every filesystem that the agent supports, at the first fsync of their file.
 */
export class PowerLoss {
  readonly #directory: string;
  readonly #names: "kept" | "lost";
  readonly #contents = new Map<Inode, Buffer>();
  readonly #durableNames = new Map<string, Inode>();
  readonly #renamed = new Set<Inode>();

  constructor({ directory, names }: { directory: string; names: "kept" | "lost" }) {
    this.#directory = directory;
    this.#names = names;
    for (const path of filesBelow(directory)) {
      this.#contents.set(inodeOf(path), fs.readFileSync(path));
      this.#durableNames.set(path, inodeOf(path));
    }
  }

  /** A descriptor has been synced, that of a file or of a directory. */
  synced(fd: number): void {
    const path = fs.readlinkSync(`/proc/self/fd/${fd}`);
    if (path === this.#directory || fs.fstatSync(fd).isDirectory()) this.#syncNames(path);
    // What has no name any more has nothing to lose.
    else if (!path.endsWith(" (deleted)")) this.syncedFile(path);
  }

  /** The same for a file that is known by its name. */
  syncedFile(path: string): void {
    if (!path.startsWith(`${this.#directory}/`)) return;
    this.#contents.set(inodeOf(path), fs.readFileSync(path));
    this.#durableNames.set(path, inodeOf(path));
  }

  /** A name has been given to what had another one. */
  renamed(to: string): void {
    if (to.startsWith(`${this.#directory}/`)) this.#renamed.add(inodeOf(to));
  }

  /** The power goes. */
  cut(): void {
    if (this.#names === "kept") this.#cutContents();
    else this.#cutNames();
  }

  #cutContents(): void {
    for (const path of filesBelow(this.#directory)) {
      const inode = inodeOf(path);
      const content = this.#contents.get(inode);
      if (content !== undefined) restore(path, content);
      else if (this.#renamed.has(inode)) fs.truncateSync(path, 0);
      else fs.unlinkSync(path);
    }
  }

  #cutNames(): void {
    for (const path of filesBelow(this.#directory)) {
      if (this.#durableNames.get(path) !== inodeOf(path)) fs.unlinkSync(path);
    }
    for (const [path, inode] of this.#durableNames) {
      fs.mkdirSync(posix.dirname(path), { recursive: true });
      restore(path, this.#contents.get(inode) ?? Buffer.alloc(0));
    }
  }

  #syncNames(directory: string): void {
    for (const path of this.#durableNames.keys()) {
      if (posix.dirname(path) === directory) this.#durableNames.delete(path);
    }
    for (const path of filesBelow(directory)) {
      if (posix.dirname(path) === directory) this.#durableNames.set(path, inodeOf(path));
    }
  }
}

function restore(path: string, content: Buffer): void {
  const isThere = fs.existsSync(path);
  if (!isThere || !fs.readFileSync(path).equals(content)) fs.writeFileSync(path, content);
}

function inodeOf(path: string): Inode {
  const { ino, birthtimeNs } = fs.statSync(path, { bigint: true });
  return `${ino}:${birthtimeNs}`;
}

function filesBelow(directory: string): string[] {
  if (!fs.existsSync(directory)) return [];
  return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(directory, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}
