import { execFileSync } from "node:child_process";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { unescapePath } from "../../../src/sweep/escape-path.ts";
import { join } from "../../../src/sweep/path-bytes.ts";
import { sweep } from "../../../src/sweep/sweep.ts";
import { MemoryStore, sha256Of } from "../../support/memory-store.ts";
import { nameOf } from "../../support/names.ts";
import { entriesOf, openContext } from "../../support/transfer-context.ts";

/** Names that differ in little, or in what text does not show. */
const NAMES: readonly Buffer[] = [
  nameOf("plain.log"),
  nameOf(" leading and trailing "),
  nameOf("a (deleted)"),
  nameOf("-rf"),
  nameOf("..."),
  nameOf("+?#&=;:@,!$'()*[]{}~\"<>|\\^`"),
  nameOf("100%.csv"),
  nameOf("%"),
  nameOf("%%"),
  nameOf("\n"),
  nameOf("%0A"),
  nameOf("%250A"),
  nameOf("%0a"),
  nameOf("%\n"),
  nameOf("\r\n\t\u001b[2J\u007f"),
  nameOf("é"),
  nameOf("e\u0301"),
  nameOf(0xe9),
  nameOf("%E9"),
  nameOf("\ufffd"),
  nameOf(0xff),
  nameOf(0xfe),
  nameOf(0xff, 0xfe),
  nameOf(0xc3),
  nameOf(0xc3, "("),
  nameOf(0xc0, 0xaf),
  nameOf(0xed, 0xa0, 0x80),
  nameOf("\u0085"),
  nameOf("\u2028"),
  nameOf("a\u202egpj.exe"),
  nameOf("\ufffe\uffff"),
  nameOf("😀".repeat(63)),
  nameOf("x".repeat(255)),
  Buffer.alloc(255, 0xff),
  nameOf(`a.name-${"0".repeat(32)}`),
  nameOf(`a.name-${"0".repeat(32)}`.replace("0", "\n")),
  nameOf(`a.sha256-${"0".repeat(32)}`),
  nameOf(`a.sha256-${"0".repeat(32)}.sha256-${"0".repeat(32)}`),
];

/** Directories of such names, and paths that are near the longest that Linux opens. */
const DIRECTORIES: readonly Buffer[] = [
  nameOf("d"),
  nameOf("d\n"),
  nameOf("d", 0xff),
  nameOf("d%0A"),
  nameOf(Array.from({ length: 14 }, () => "y".repeat(250)).join("/")),
  nameOf(Array.from({ length: 14 }, () => "\n".repeat(250)).join("/")),
];

describe("a sweep over names of all kinds", () => {
  it("moves every file to a key of its own, and leaves none", async () => {
    await using root = await mkdtempDisposable(`${tmpdir()}/s3oa-names-`);
    const paths = [Buffer.alloc(0), ...DIRECTORIES].flatMap((directory) =>
      NAMES.map((name) => join(directory, name)),
    );
    for (const directory of DIRECTORIES) {
      await mkdir(join(Buffer.from(root.path), directory), { recursive: true });
    }
    for (const path of paths) {
      await writeFile(join(Buffer.from(root.path), path), path.toString("hex"));
    }
    expect(await entriesOf(root.path)).to.have.length(paths.length);

    const store = new MemoryStore();
    await using context = await openContext(root.path, store);
    const report = await sweep({
      ...context,
      concurrency: 8,
      quarantineAfter: 0,
      isDryRun: false,
      stop: new AbortController().signal,
      observer: {
        onDecided: () => undefined,
        onOutcome: () => undefined,
        onNotice: () => undefined,
        onUnreadable: (_, error) => expect.fail(error.message),
      },
    });
    const left = await entriesOf(root.path);
    // Names that are not UTF-8 are beyond what Node's recursive removal finds.
    execFileSync("find", [root.path, "-mindepth", "1", "-delete"]);

    expect(report).to.include({ filesRemoved: paths.length, filesFailed: 0, filesKept: 0 });
    expect(left).to.deep.equal([]);
    expect(store.objects.size).to.equal(paths.length);
    // One request a file: no key was taken.
    expect(store.requests).to.have.length(paths.length);
    const contents = [...store.objects.values()].map(String).sort();
    expect(contents).to.deep.equal(paths.map((path) => path.toString("hex")).sort());
    for (const [key, content] of store.objects) {
      expect(Buffer.byteLength(key)).to.be.at.most(1_024);
      const path = Buffer.from(content.toString(), "hex");
      const suffix = /\.(?:name|sha256)-[0-9a-f]{32}$/.exec(key)?.[0];
      if (suffix === undefined) expect(unescapePath(key)).to.deep.equal(path);
      else {
        const digests = { ".name-": sha256Of(path), ".sha256-": sha256Of(content) };
        const expected = Object.entries(digests).map(([dot, digest]) => dot + digest.slice(0, 32));
        expect(expected).to.include(suffix);
      }
    }
  });
});
