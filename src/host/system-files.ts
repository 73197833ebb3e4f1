import { open, readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, isErrno, messageOf } from "../lib/errors.ts";

/** What the files looked at here say fits on a page. */
const BYTES_MAX = 4_096;

/** What a small file of the system says, or why nobody knows; `undefined`: there is none. */
export type SystemText = string | undefined | { readonly unreadable: string };

/**
 * Files with which a machine tells about itself: /sys, /proc, /etc. All of them are small, any may
 * be absent, in a container for example.
 */
export class SystemFiles {
  readonly #root: string;

  /** @param root where the file system of the machine is; `/` but for tests */
  constructor(root = "/") {
    this.#root = root;
  }

  /** Where a path of the machine is. */
  at(path: string): string {
    return join(this.#root, path);
  }

  /** The text without white space around it, or why it cannot be read. */
  async look(path: string): Promise<SystemText> {
    try {
      const file = await open(this.at(path), "r");
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(BYTES_MAX), 0, BYTES_MAX, 0);
        return buffer.toString("utf8", 0, bytesRead).replaceAll("\0", "").trim();
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
      return { unreadable: errnoOf(error) ?? messageOf(error) };
    }
  }

  /** The text, or "" if there is none to be read. */
  async read(path: string): Promise<string> {
    const text = await this.look(path);
    return typeof text === "string" ? text : "";
  }

  /** The names in a folder, none if it cannot be read. */
  async names(path: string): Promise<readonly string[]> {
    return await readdir(this.at(path)).catch(() => []);
  }

  /** Where a link leads, or "". */
  async target(path: string): Promise<string> {
    return await realpath(this.at(path)).catch(() => "");
  }
}
