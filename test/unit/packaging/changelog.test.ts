import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import {
  type ChangelogEntry,
  debianChangelog,
  nfpmChangelog,
  readChangelog,
} from "../../../packaging/build/changelog.ts";

const CHANGELOG = `# Changelog

## [Unreleased]

### Added

- One thing,
  on two lines.

### Fixed

- Another thing.

## [0.2.0] - 2026-10-05

### Added

- The second version.

## [0.1.0] - 2026-09-01

### Added

- The first version.
`;
const DATE = new Date("2026-11-24T20:00:00Z");
const MAINTAINER = "Somebody <somebody@example.com>";

describe("the changelogs of packages", () => {
  it("call what is unreleased by the version and the time of the build", async () => {
    const [first, ...older] = await entriesFor("0.3.0-dev", CHANGELOG);
    expect(first).to.deep.equal({
      version: "0.3.0-dev, packaged",
      date: DATE,
      changes: ["Added: One thing, on two lines.", "Fixed: Another thing."],
    });
    expect(older.map(({ version }) => version)).to.deep.equal(["0.2.0-1", "0.1.0-1"]);
  });

  it("begin with the version that is packaged, if it is released, on its day", async () => {
    const [first, ...older] = await entriesFor("0.2.0", CHANGELOG);
    expect(first?.changes).to.deep.equal(["Added: The second version."]);
    expect(first?.date.toISOString()).to.match(/^2026-10-05T/);
    expect(older).to.have.lengthOf(1);
  });

  it("stop the build if there is nothing to say of a version", async () => {
    const released = CHANGELOG.replace(/## \[Unreleased\][\s\S]*?(?=## \[0\.2\.0\])/, "");
    const failure = await entriesFor("0.3.0", released).catch((error: Error) => error);
    expect(failure).to.include({ name: "BuildError" });
    expect(failure).to.have.property("message").that.includes("no entry for 0.3.0");
  });

  it("are written as dpkg reads them, in lines of 78 columns at most", () => {
    const change = `Added: ${"word ".repeat(30).trim()}`;
    const text = debianChangelog([entry("0.2.0-1", [change]), entry("0.1.0-1", ["x"])], MAINTAINER);
    const lines = text.split("\n");
    expect(lines[0]).to.equal("s3-offload-agent (0.2.0-1) stable; urgency=medium");
    expect(lines).to.include(` -- ${MAINTAINER}  Tue, 24 Nov 2026 20:00:00 +0000`);
    expect(Math.max(...lines.map((line) => line.length))).to.be.within(70, 78);
    expect(text.match(/^ {2}\* /gm)).to.have.lengthOf(2);
    expect(lines.filter((line) => line !== "" && !/^(s3| {2}| --)/.test(line))).to.deep.equal([]);
  });

  it("are written as nfpm reads them", () => {
    const [only] = JSON.parse(nfpmChangelog([entry("0.2.0-1", ["Added: a thing."])], MAINTAINER));
    expect(only).to.deep.equal({
      semver: "0.2.0-1",
      date: "2026-11-24T20:00:00.000Z",
      packager: MAINTAINER,
      changes: [{ note: "Added: a thing." }],
    });
  });
});

function entry(version: string, changes: readonly string[]): ChangelogEntry {
  return { version, date: DATE, changes };
}

async function entriesFor(version: string, text: string): Promise<ChangelogEntry[]> {
  await using scratch = await mkdtempDisposable(join(tmpdir(), "s3-offload-changelog-"));
  const path = join(scratch.path, "CHANGELOG.md");
  await writeFile(path, text);
  return await readChangelog({ path, version, packaged: `${version}, packaged`, date: DATE });
}
