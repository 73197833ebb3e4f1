import { readFile } from "node:fs/promises";
import { BuildError } from "./build-error.ts";

/** What changed with one version. */
export interface ChangelogEntry {
  /** In the words of packages, such as `0.2.0~dev-1`. */
  readonly version: string;
  readonly date: Date;
  /** Each without its list mark, on one line: `Added: ...`. */
  readonly changes: readonly string[];
}

/** Columns of a line in both formats' changelogs, as their own tools write them. */
const COLUMNS = 78;

/**
 * Reads CHANGELOG.md (keepachangelog.com) for the package of one version.
 * @param version what is packaged, as CHANGELOG.md would have it: `0.2.0`.
 * @param packaged the same in the words of packages.
 * @param date when it was made, if CHANGELOG.md has it only as `[Unreleased]` yet.
 * @returns the entry of that version first, then older ones.
 * @throws BuildError if CHANGELOG.md has neither.
 */
export async function readChangelog(options: {
  path: string;
  version: string;
  packaged: string;
  date: Date;
}): Promise<ChangelogEntry[]> {
  const { path, version, packaged, date } = options;
  const sections = (await readFile(path, "utf8")).split(/^## /m).slice(1).map(readSection);
  const released = sections.findIndex(({ name }) => name === version);
  const start =
    released === -1 ? sections.findIndex(({ name }) => name === "Unreleased") : released;
  if (start === -1) throw new BuildError(`${path} has no entry for ${version}, nor [Unreleased]`);
  return sections.slice(start).map((section, index) => ({
    version: index === 0 ? packaged : `${section.name}-1`,
    date: section.date ?? date,
    changes: section.changes,
  }));
}

/** @param text such as `[0.1.0] - 2026-11-01`, then headings and lists. */
function readSection(text: string): { name: string; date: Date | undefined; changes: string[] } {
  const [, name = "", day] = /^\[([^\]]+)\](?: - (\d{4}-\d\d-\d\d))?/.exec(text) ?? [];
  const changes = text
    .split(/^### /m)
    .slice(1)
    .flatMap((part) => {
      const [kind = "", ...items] = part.split(/\n- /);
      return items.map((item) => `${kind.trim()}: ${item.trim().replaceAll(/\s+/g, " ")}`);
    });
  return { name, date: day === undefined ? undefined : new Date(`${day}T12:00:00Z`), changes };
}

/** Writes a Debian changelog (Debian Policy, section 4.4). */
export function debianChangelog(entries: readonly ChangelogEntry[], maintainer: string): string {
  const texts = entries.map(({ version, date, changes }) =>
    [
      `s3-offload-agent (${version}) stable; urgency=medium`,
      "",
      ...changes.map((change) => `  * ${wrap(change, COLUMNS - 4).join("\n    ")}`),
      "",
      // RFC 5322, with a zone in digits.
      ` -- ${maintainer}  ${date.toUTCString().replace("GMT", "+0000")}`,
      "",
    ].join("\n"),
  );
  return texts.join("\n");
}

/**
 * Writes the changelog in the form from which nfpm makes an rpm's tags (github.com/goreleaser/chglog).
 * JSON is YAML.
 */
export function nfpmChangelog(entries: readonly ChangelogEntry[], maintainer: string): string {
  const list = entries.map(({ version, date, changes }) => ({
    semver: version,
    date: date.toISOString(),
    packager: maintainer,
    changes: changes.map((change) => ({ note: wrap(change, COLUMNS - 2).join("\n  ") })),
  }));
  return `${JSON.stringify(list, null, 1)}\n`;
}

/** Breaks a text at spaces into lines of at most so many columns, longer words excepted. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
