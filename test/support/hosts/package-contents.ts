import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const CHECKOUT = resolve(import.meta.dirname, "../../..");
const run = promisify(execFile);
const MUCH = { maxBuffer: 1e8 };

/** A file or folder of a package, as the package itself tells it. */
export interface PackedEntry {
  readonly path: string;
  /** As `ls -l` has it: `-rwxr-xr-x`. */
  readonly mode: string;
  /** Such as `root/root`. */
  readonly owner: string;
}

/** Lists a deb's files and folders, the latter without a slash at the end. */
export async function entriesOfDeb(deb: string): Promise<PackedEntry[]> {
  const { stdout } = await run("dpkg-deb", ["--contents", deb], MUCH);
  return lines(stdout).map((line) => {
    const [, mode = "", owner = "", path = ""] =
      /^(\S+) (\S+) +\d+ \S+ \S+ \.(\/.*?)\/?$/.exec(line) ?? [];
    return { path, mode, owner };
  });
}

/** Lists an rpm's files and folders. */
export async function entriesOfRpm(rpm: string): Promise<PackedEntry[]> {
  const format = "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\\n]";
  return lines(await queryRpm(rpm, format)).map((line) => {
    const [mode = "", owner = "", path = ""] = line.split(" ");
    return { path, mode, owner };
  });
}

/** Asks an rpm for a format of `rpm --queryformat`. */
export async function queryRpm(rpm: string, format: string): Promise<string> {
  return (await run("rpm", ["-qp", "--queryformat", format, rpm], MUCH)).stdout;
}

/** A field of a deb, without its name; empty if it has none. */
export async function fieldOfDeb(deb: string, field: string): Promise<string> {
  return (await run("dpkg-deb", ["--field", deb, field])).stdout.trim();
}

/** Unpacks a deb: its files, and in `DEBIAN/` what dpkg itself reads. */
export async function unpackDeb(deb: string, directory: string): Promise<void> {
  await run("dpkg-deb", ["--raw-extract", deb, directory]);
}

/**
 * Unpacks an rpm's files, and writes its header as `header.xml` beside them. nfpm writes absolute
 * names, which cpio would follow: into this machine's own folders.
 */
export async function unpackRpm(rpm: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const script = `rpm2cpio "$1" | cpio --extract --quiet --make-directories --no-absolute-filenames
rpm -qp --xml "$1" >"$2"`;
  await run("sh", ["-ec", script, "sh", rpm, join(directory, "header.xml")], { cwd: directory });
}

/**
 * What rpmlint says of rpms, whether it is content or not. It unpacks by cpio, too, so it gets one
 * that stays where it is.
 * @param scratch a folder for that cpio.
 */
export async function rpmlint(rpms: readonly string[], scratch: string): Promise<string> {
  const bin = join(scratch, "rpmlint-bin");
  await mkdir(bin, { recursive: true });
  const cpio = '#!/bin/sh\nexec /usr/bin/cpio --no-absolute-filenames "$@"\n';
  await writeFile(join(bin, "cpio"), cpio, { mode: 0o755 });
  const env = { ...process.env, PATH: `${bin}:${process.env["PATH"]}` };
  const args = ["-c", join(CHECKOUT, "packaging/rpmlint.toml"), ...rpms];
  return await outputOf("rpmlint", args, env);
}

/** What lintian says of debs, whether it is content or not. */
export async function lintian(debs: readonly string[]): Promise<string> {
  const args = ["--allow-root", "--pedantic", "--display-info", ...debs];
  return await outputOf("lintian", args, process.env);
}

async function outputOf(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string> {
  return await run(program, args, { env }).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string; message: string }) => error.stdout || error.message,
  );
}

function lines(text: string): string[] {
  return text.split("\n").filter(Boolean);
}
