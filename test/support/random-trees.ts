import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { errnoOf } from "../../src/lib/errors.ts";
import { sweep } from "../../src/sweep/sweep.ts";
import { CONTENT_MARK } from "../../tools/marks.ts";
import { MemoryStore, sha256Of } from "./memory-store.ts";
import { hardPath } from "./names.ts";
import { openContext } from "./transfer-context.ts";
import { filesBelow } from "./tree.ts";

/** Linux: NAME_MAX, in bytes. */
const NAME_BYTES_MAX = 255;

/** S3: the longest key, in bytes of its UTF-8. */
const KEY_BYTES_MAX = 1_024;

const SLASH = "/".charCodeAt(0);

/** Names that the agent leaves alone on purpose. */
const RESERVED = /^\.(nfs|fuse_hidden|s3oa-)/;

const anyName: fc.Arbitrary<Buffer> = fc
  .oneof(
    { arbitrary: hardPath, weight: 4 },
    { arbitrary: bytes(1, 20), weight: 3 },
    { arbitrary: bytes(240, NAME_BYTES_MAX), weight: 1 },
  )
  .map((name) => Buffer.from(name.filter((byte) => byte !== SLASH)))
  .filter((name) => name.length > 0 && !/^\.\.?$/.test(name.toString("latin1")))
  .filter((name) => !RESERVED.test(name.toString("latin1")));

/** Paths of files, as names one below the other. */
export const anyTree: fc.Arbitrary<readonly (readonly Buffer[])[]> = fc.array(
  fc.array(anyName, { minLength: 1, maxLength: 5 }),
  { minLength: 1, maxLength: 30 },
);

/**
 * Makes a directory of files and sweeps it.
 * @returns what is wrong, each in one line, and how many files and bytes there were
 */
export async function sweepTree(paths: readonly (readonly Buffer[])[]) {
  await using folder = await mkdtempDisposable(join(tmpdir(), "s3oa-tree-"));
  const root = Buffer.from(folder.path);
  const contents: string[] = [];
  for (const names of paths) {
    const content = `${CONTENT_MARK}, file ${contents.length}`;
    if (await make(root, names, content)) contents.push(content);
  }
  const store = new MemoryStore();
  await using context = await openContext(folder.path, store);
  const unreadable: string[] = [];
  await sweep({
    ...context,
    concurrency: 8,
    quarantineAfter: 0,
    observer: {
      onDecided: () => undefined,
      onOutcome: () => undefined,
      onUnreadable: (path) => unreadable.push(path.toString("latin1")),
      onNotice: () => undefined,
    },
    isDryRun: false,
    stop: new AbortController().signal,
  });
  const problems = unreadable.map((path) => `unreadable: ${path}`);
  for await (const { path } of filesBelow(root)) problems.push(`left: ${path.toString("latin1")}`);
  const stored = new Set([...store.objects.values()].map(sha256Of));
  for (const one of contents) if (!stored.has(sha256Of(one))) problems.push(`lost: ${one}`);
  if (store.objects.size !== contents.length) {
    problems.push(`${contents.length} files have become ${store.objects.size} objects`);
  }
  // Every file has a key of its own: nothing had to make way for another.
  if (store.requests.length !== contents.length) problems.push("two files had one key");
  for (const key of store.objects.keys()) {
    const isKey = Buffer.byteLength(key) <= KEY_BYTES_MAX && key.isWellFormed();
    if (!isKey) problems.push(`no key of S3's: ${key}`);
  }
  const bytes = contents.reduce((sum, content) => sum + content.length, 0);
  return { problems, files: contents.length, bytes };
}

function bytes(minLength: number, maxLength: number): fc.Arbitrary<Buffer> {
  return fc
    .array(fc.integer({ min: 1, max: 255 }), { minLength, maxLength })
    .map((all) => Buffer.from(all));
}

/** @returns false if the filesystem does not take it: the name is taken, or it is too long */
async function make(root: Buffer, names: readonly Buffer[], content: string): Promise<boolean> {
  const all = [root, ...names].flatMap((name) => [name, Buffer.from("/")]).slice(0, -1);
  try {
    await mkdir(Buffer.concat(all.slice(0, -2)), { recursive: true });
    await writeFile(Buffer.concat(all), content, { flag: "wx" });
    return true;
  } catch (error) {
    if (errnoOf(error) !== undefined) return false;
    throw error;
  }
}
