/** A mount as a process sees it (proc_pid_mountinfo(5)). */
export interface Mount {
  readonly id: number;
  /** Of the mount that it is mounted on. */
  readonly parent: number;
  /** Where it is, in the sight of that process. */
  readonly point: string;
  /** By this mount nothing can be written. */
  readonly isReadOnly: boolean;
  /** By no mount of its filesystem anything can be written. */
  readonly isFilesystemReadOnly: boolean;
  /** What was mounted has been removed: it is empty, and nothing can be made in it. */
  readonly isRemoved: boolean;
}

/** Reads the mounts of a process, in the order of mounting; lines that are none are left out. Pure. */
export function parseMounts(text: string): readonly Mount[] {
  return text.split("\n").flatMap((line) => {
    const fields = line.split(" ");
    const [id, parent, , root, point, options] = fields;
    // Optional fields come before the hyphen.
    const [, , superOptions] = fields.slice(fields.indexOf("-", 6) + 1);
    if (root === undefined || point === undefined || superOptions === undefined) return [];
    return {
      id: Number(id),
      parent: Number(parent),
      point: unescapeOctal(point),
      isReadOnly: has(options, "ro"),
      isFilesystemReadOnly: has(superOptions, "ro"),
      // The kernel's words for it (seq_dentry in fs/seq_file.c, d_path.c).
      isRemoved: root.endsWith("//deleted"),
    };
  });
}

function has(options: string | undefined, wanted: string): boolean {
  return options?.split(",").includes(wanted) === true;
}

/** Space, tab, line end and backslash are written as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/**
 * The mount that a path leads to: from the root's on, the first mount on the way that lies on the
 * one reached. One that lies below another mount's point, but on what that has covered, is not met.
 * Pure.
 * @param path real and absolute
 * @returns undefined if there is no mount of the root
 */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  const ids = new Set(mounts.map(({ id }) => id));
  let reached = mounts.find(({ point, parent, id }) => {
    return point === "/" && (parent === id || !ids.has(parent));
  });
  // A mount lies on another one, so there is no way round; the list is of a moment all the same.
  for (let steps = 0; steps < mounts.length; steps += 1) {
    const at = reached;
    const [next] = mounts
      .filter(({ id, parent, point }) => id !== at?.id && parent === at?.id && isOn(path, point))
      .toSorted((one, other) => one.point.length - other.point.length);
    if (next === undefined) break;
    reached = next;
  }
  return reached;
}

function isOn(path: string, point: string): boolean {
  return path === point || path.startsWith(point === "/" ? point : `${point}/`);
}

/**
 * Whether a path can be written, as far as its mount tells: `sealed` means that this process, or
 * its sandbox, may not write where others may.
 */
export type MountAccess = "writable" | "sealed" | "read-only" | "removed" | "unknown";

/** Pure. @param path real and absolute */
export function accessOf(mounts: readonly Mount[], path: string): MountAccess {
  const mount = mountOf(mounts, path);
  if (mount === undefined) return "unknown";
  if (mount.isRemoved) return "removed";
  if (mount.isFilesystemReadOnly) return "read-only";
  return mount.isReadOnly ? "sealed" : "writable";
}
