/**
 * Paths as the bytes the kernel gives and takes: names need not be UTF-8, and decoding would merge
 * some of them.
 */
const SLASH = 0x2f;
const SEPARATOR = Buffer.of(SLASH);

/** Joins two paths; an empty one is left out. */
export function join(directory: Buffer, name: Buffer): Buffer {
  if (directory.length === 0) return name;
  if (name.length === 0) return directory;
  return Buffer.concat([directory, SEPARATOR, name]);
}

/** A path's last name, and what stands before it (empty: nothing does). */
export function split(path: Buffer): { readonly directory: Buffer; readonly name: Buffer } {
  const at = path.lastIndexOf(SLASH);
  return at < 0
    ? { directory: Buffer.alloc(0), name: path }
    : { directory: path.subarray(0, at), name: path.subarray(at + 1) };
}

/** A relative path's names, from the top. */
export function namesOf(path: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let from = 0; from < path.length; ) {
    const at = path.indexOf(SLASH, from);
    const end = at < 0 ? path.length : at;
    names.push(path.subarray(from, end));
    from = end + 1;
  }
  return names;
}

/** Whether a path that others gave us leads down from where it begins, and nowhere else. */
export function leadsDown(path: Buffer): boolean {
  const isName = (name: Buffer) => !/^\.{0,2}$|\0/.test(name.toString("latin1"));
  return path.length > 0 && path.at(-1) !== SLASH && namesOf(path).every(isName);
}
