import {
  lstat,
  mkdir,
  mkdtempDisposable,
  readFile,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Oracle } from "../../support/oracle.ts";
import { type Order, type Striker, startStriker } from "../../support/striker.ts";

const CONTENT = "content of the file\n";

/** What the file of the name holds afterwards; undefined: the name is gone. */
const CASES: readonly {
  readonly kind: Order["kind"];
  readonly content: string | undefined;
  /** Whether size and mtime tell nothing. */
  readonly isHidden?: boolean;
  /** How many contents must not be lost afterwards. */
  readonly files?: number;
}[] = [
  { kind: "append", content: `${CONTENT}struck\n` },
  { kind: "append-restore-mtime", content: `${CONTENT}struck\n` },
  { kind: "rewrite-in-place", content: "dpoufou!pg!uif!gjmf\v", isHidden: true },
  { kind: "mmap-write", content: "dpoufou!pg!uif!gjmf\v" },
  { kind: "truncate", content: "content of" },
  { kind: "delete", content: undefined, files: 0 },
  { kind: "delete-recreate", content: "dpoufou!pg!uif!gjmf\v" },
  { kind: "replace-by-rename", content: "dpoufou!pg!uif!gjmf\v", isHidden: true },
  { kind: "hardlink", content: `${CONTENT}struck\n` },
  { kind: "rename-away", content: undefined },
  { kind: "chmod-000", content: CONTENT, isHidden: true },
  { kind: "touch-old", content: CONTENT },
  { kind: "swap-for-symlink", content: "????????????????????" },
  { kind: "swap-directory-for-symlink", content: "a stranger's\n" },
];

describe("the striker", () => {
  let temporary: Awaited<ReturnType<typeof mkdtempDisposable>>;
  let oracle: Oracle;
  let striker: Striker;
  let path: string;
  let to: string;

  beforeEach(async () => {
    temporary = await mkdtempDisposable(join(tmpdir(), "striker-"));
    oracle = new Oracle();
    striker = await startStriker(temporary.path, oracle);
    await mkdir(join(temporary.path, "watched", "d"), { recursive: true });
    path = join(temporary.path, "watched", "d", "file");
    to = join(temporary.path, "away");
    await writeFile(path, CONTENT);
    await utimes(path, 1_000_000, 1_000_000);
    oracle.closed(path, CONTENT);
  });
  afterEach(async () => {
    await striker[Symbol.asyncDispose]();
    await temporary.remove();
  });

  const judge = () => oracle.verify({ objects: new Map(), directories: [temporary.path] });

  for (const { kind, content, isHidden = false, files = 1 } of CASES) {
    it(`${kind}: does it, and tells the oracle what there is now`, async () => {
      const before = await stat(path);
      const blow = await striker.strike({ kind, path, to });
      expect(blow.missed).to.equal(undefined);
      expect(await readFile(path, "utf8").catch(() => undefined)).to.equal(content);
      if (isHidden) {
        const after = await stat(path);
        expect([after.size, after.mtimeMs]).to.eql([before.size, before.mtimeMs]);
      }
      expect(await judge()).to.deep.include({ lost: [], files });
    });
  }

  it("take-name: only where the name is free", async () => {
    expect((await striker.strike({ kind: "take-name", path })).missed).to.include("File exists");
    await striker.strike({ kind: "rename-away", path, to });
    await striker.strike({ kind: "take-name", path });
    expect(await readFile(path, "utf8")).to.equal("another file\n");
    expect(await judge()).to.deep.include({ lost: [], files: 2 });
  });

  it("open, write-and-close: closes what it has opened long before", async () => {
    await striker.strike({ kind: "open", path });
    await striker.strike({ kind: "rename-away", path, to });
    await striker.strike({ kind: "write-and-close", path });
    expect(await readFile(to, "utf8")).to.equal(`${CONTENT}struck\n`);
    expect(await judge()).to.deep.include({ lost: [], files: 1 });
  });

  it("by descriptor: finds the file under whatever name it has", async () => {
    await striker.strike({ kind: "watch", path });
    await striker.strike({ kind: "rename-away", path, to });
    await striker.strike({ kind: "append", path, via: "descriptor" });
    expect(await readFile(to, "utf8")).to.equal(`${CONTENT}struck\n`);
    await striker.strike({ kind: "replace-by-rename", path });
    expect((await lstat(path)).size).to.equal(CONTENT.length + "struck\n".length);
    expect(await judge()).to.deep.include({ lost: [], files: 2 });
    await striker.strike({ kind: "delete", path, via: "descriptor" });
    const { missed } = await striker.strike({ kind: "append", path, via: "descriptor" });
    expect(missed).to.include("has been removed");
    expect(await lstat(to).catch(() => undefined)).to.equal(undefined);
    expect(await judge()).to.deep.include({ lost: [], files: 1 });
  });

  it("misses where there is nothing, and takes nothing for taken away", async () => {
    await striker.strike({ kind: "rename-away", path, to });
    for (const kind of ["append", "delete", "truncate", "chmod-000"] as const) {
      expect((await striker.strike({ kind, path })).missed).to.include("No such file");
    }
    expect(await judge()).to.deep.include({ lost: [], files: 1 });
  });
});
