import { homeAbove } from "../lib/homes.ts";
import { hasUnseen } from "../lib/unseen.ts";

/** The unit that packages install. */
export const UNIT = "s3-offload-agent.service";

/** What gives the unit its write access, beside what the package ships. */
export const DROP_IN_FILE = `/etc/systemd/system/${UNIT}.d/allowed-roots.conf`;

/** What a drop-in lets the unit see and write. All paths are absolute. */
export interface DropIn {
  /** What it was made from. */
  readonly bootstrapFile: string;
  readonly roots: readonly string[];
  /** Folders that the unit may read where it would see none. */
  readonly readOnly: readonly string[];
}

/**
 * The text of the drop-in. The hyphen lets a start go on without a directory that is not there;
 * one that is made later is not writable before the next start. Pure.
 */
export function dropInText({ bootstrapFile, roots, readOnly }: DropIn): string {
  return [
    `# Made by "s3-offload-agent allow" from ${bootstrapFile}: changes in here do not last.`,
    "[Service]",
    ...roots.map((root) => `BindPaths=${bindWord(root)}`),
    ...readOnly.map((folder) => `BindReadOnlyPaths=${bindWord(folder)}`),
    "",
  ].join("\n");
}

/**
 * A path as systemd reads it: in quotes, and a backslash before what would end them or separate
 * source and destination; `%` begins a specifier (systemd.syntax(7), systemd.unit(5)). Newer
 * versions take quotes off twice, a whole word first and then its parts, so a colon or a single
 * quote means something within the quotes too; older ones take a backslash off anyway.
 */
function bindWord(path: string): string {
  return `"-${path.replace(/["'\\:]/g, "\\$&").replaceAll("%", "%%")}"`;
}

/**
 * Why a path cannot stand in a unit or a bootstrap file; undefined: it can. Names are bytes: one
 * that is not UTF-8 arrives here with U+FFFD in the place of what it was. Pure.
 */
export function unwritablePath(path: string): string | undefined {
  if (path.includes("\ufffd")) return "its name is not UTF-8";
  if (hasUnseen(path)) return "its name has control characters in it, or others that are not seen";
  return undefined;
}

/**
 * The folder that the unit has to be given to see a credentials file, or why it is given none;
 * undefined: it sees it anyway. A home directory as a whole holds more than that. Pure.
 * @param file absolute
 */
export function hiddenFolderOf(
  file: string,
): { readonly folder: string } | { readonly tooWide: string } | undefined {
  const folder = file.slice(0, file.lastIndexOf("/"));
  const home = homeAbove(folder);
  if (home === undefined) return undefined;
  const below = folder.slice(home.length).split("/").filter(Boolean).length;
  const isHome = home === "/root" ? below === 0 : below <= 1;
  return isHome ? { tooWide: folder } : { folder };
}
