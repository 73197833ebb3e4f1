import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** What an ELF file is made for, and what it needs of the host. */
export interface ElfFacts {
  /** Such as `Advanced Micro Devices X86-64` or `AArch64`. */
  readonly machine: string;
  /** Whether it has symbols that only debuggers read. */
  readonly hasSymbols: boolean;
  /** The libraries it names, such as `libc.so.6`. */
  readonly libraries: readonly string[];
  /** For each library, the versions of symbols that it must have: `GLIBC_2.28`. */
  readonly versions: ReadonlyMap<string, readonly string[]>;
}

/** Reads an ELF file with readelf, which knows all architectures. */
export async function readElf(path: string): Promise<ElfFacts> {
  const args = ["--wide", "--file-header", "--sections", "--dynamic", "--version-info", path];
  const options = { maxBuffer: 1e8, env: { ...process.env, LC_ALL: "C" } };
  const { stdout } = await promisify(execFile)("readelf", args, options);
  return {
    machine: /^ *Machine: +(.+)$/m.exec(stdout)?.[1] ?? "",
    hasSymbols: /\] \.symtab /.test(stdout),
    libraries: [...stdout.matchAll(/\(NEEDED\) .*\[(.+)\]/g)].map(([, name = ""]) => name),
    versions: neededVersions(stdout),
  };
}

/** The section "version needs": a line for each library, followed by one for each version. */
function neededVersions(text: string): Map<string, string[]> {
  const versions = new Map<string, string[]>();
  let library: string[] = [];
  for (const [, file, name] of text.matchAll(/\bFile: (\S+)|\bName: ([A-Z][A-Za-z]*_[\d.]+) /g)) {
    if (file !== undefined) {
      library = [];
      versions.set(file, library);
    } else if (name !== undefined) {
      library.push(name);
    }
  }
  return versions;
}

/**
 * The newest version of each family of symbols: a library that has it has the older ones, too.
 * @param versions such as GLIBC_2.9, GLIBC_2.28 and GLIBC_2.17.
 * @returns such as GLIBC_2.28; sorted.
 */
export function newestOfEach(versions: readonly string[]): string[] {
  const families = Map.groupBy(versions, (version) => version.replace(/_.*/, ""));
  return [...families.values()]
    .map((family) => family.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1))
    .filter((version) => version !== undefined)
    .sort();
}
