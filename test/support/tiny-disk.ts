import { execFileSync } from "node:child_process";

/**
 * What comes before each script: a disk of `disk`, 64 KiB, that can be filled, made room on, and
 * made read-only.
 */
const PREAMBLE = `
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
const disk = process.argv[1];
execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,nr_inodes=32", "none", disk]);
/** Leaves no room for a page, nor for a name. */
const fill = () => {
  const fd = fs.openSync(disk + "/filling", "w");
  try {
    for (;;) fs.writeSync(fd, Buffer.alloc(4096));
  } catch {
    fs.closeSync(fd);
  }
  try {
    for (let n = 0; ; n += 1) fs.writeFileSync(disk + "/filling-" + n, "");
  } catch {}
};
const makeRoom = () => {
  for (const name of fs.readdirSync(disk)) if (/^filling/.test(name)) fs.unlinkSync(disk + "/" + name);
};
const setReadOnly = (isReadOnly) =>
  execFileSync("mount", ["-o", isReadOnly ? "remount,ro" : "remount,rw", disk]);
const codeOf = (promise) => promise.then(() => "done", (error) => error.code ?? error.message);
const { descriptorsBelow } = await import(${JSON.stringify(import.meta.resolve("./descriptors.ts"))});
const descriptors = () => descriptorsBelow(disk);
`;

/**
 * Runs a module of JavaScript with a tiny disk of its own, in a mount namespace of its own so that
 * nothing is left behind.
 * @param folder where the disk is mounted
 * @returns what the script prints, read as JSON
 */
export function runOnTinyDisk(folder: string, script: string): unknown {
  const node = [process.execPath, "--input-type=module", "--eval", PREAMBLE + script, folder];
  return JSON.parse(execFileSync("unshare", ["--mount", ...node], { encoding: "utf8" }));
}
