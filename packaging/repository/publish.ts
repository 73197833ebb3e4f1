import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { PublishedObject, RepositoryBucket } from "../../src/aws/repository-bucket.ts";
import { forEachConcurrently } from "../../src/lib/concurrency.ts";
import { AgentError, configurationError, ExitCode } from "../../src/lib/errors.ts";
import { byHashPath, dateOf, namedFiles } from "./apt.ts";
import { filesBelow } from "./index-directory.ts";
import { sha256 } from "./packages.ts";
import { isHashedIndex, isPackage, publishedForm, type Target } from "./published-files.ts";
import { OLD_FILES_KEPT_MS } from "./retention.ts";
import { namedMetadata } from "./yum.ts";

/** Packages have some 30 MB each, and are in memory while they are sent. */
const UPLOADS_AT_ONCE = 4;

export interface Publication {
  readonly out: string;
  readonly target: Target;
  readonly bucket: RepositoryBucket;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** What a publication has changed: paths in the repository. */
export interface Published {
  readonly stored: readonly string[];
  readonly removed: readonly string[];
}

interface Publishing extends Publication {
  readonly there: ReadonlyMap<string, PublishedObject>;
  readonly stored: string[];
}

/**
 * Brings the bucket to the state of the repository, stage after stage: packages, index files by
 * hash, keys, then what points to them. Whoever reads meanwhile, or after a kill, finds all that an
 * index names. Only what is new or different is sent; packages are never deleted, index files by
 * hash a day after no index named them.
 * @throws AgentError (exit code 1) if the bucket has something that this repository lacks, or
 *   somebody else has published meanwhile
 */
export async function publish(publication: Publication): Promise<Published> {
  const { out, target, bucket, now, signal } = publication;
  const objects = await bucket.list(target.prefix);
  const there = new Map(
    [...objects].map(([key, object]) => [key.slice(target.prefix.length), object]),
  );
  const local = (await filesBelow(out)).filter((path) => publishedForm(path) !== undefined);
  await requireSuccessor(publication, there, local);
  const named = await namedInBucket(publication, there);

  const publishing = { ...publication, there, stored: [] };
  const stageOf = (path: string) => publishedForm(path)?.stage ?? 0;
  for (const stage of [...new Set(local.map(stageOf))].sort()) {
    const paths = local.filter((path) => stageOf(path) === stage);
    // From the first commit on, one after the other in their order.
    const isFree = stage < 3;
    await forEachConcurrently(inOrder(paths), isFree ? UPLOADS_AT_ONCE : 1, async (path) => {
      // What must not stand without its signature is followed by it.
      if (!path.endsWith("/repomd.xml.asc")) signal.throwIfAborted();
      await publishFile(publishing, path);
    });
  }

  const kept = new Set(local);
  const removed: string[] = [];
  for (const [path, { modifiedAt }] of there) {
    const isOld = now.getTime() - modifiedAt.getTime() > OLD_FILES_KEPT_MS;
    if (kept.has(path) || named.has(path) || !isHashedIndex(path) || !isOld) continue;
    signal.throwIfAborted();
    await bucket.remove(target.prefix + path);
    removed.push(path);
  }
  return { stored: publishing.stored, removed };
}

async function* inOrder(paths: readonly string[]): AsyncIterable<string> {
  yield* paths;
}

/** Hosts and their operators rely on what was published: versions do not vanish unseen. */
async function requireSuccessor(
  { out, target, bucket }: Publication,
  there: ReadonlyMap<string, PublishedObject>,
  local: readonly string[],
): Promise<void> {
  const where = `s3://${target.bucket}/${target.prefix}`;
  const hint = `Take over what is there (aws s3 sync ${where} ${out}), then run this again.`;
  const lacking = [...there.keys()].filter((path) => isPackage(path) && !local.includes(path));
  if (lacking.length > 0) {
    throw new AgentError(
      `${where} has packages that ${out} lacks: ${lacking.map((path) => basename(path)).join(", ")}.`,
      { exitCode: ExitCode.failed, hint },
    );
  }
  const index = "apt/dists/stable/InRelease";
  if (!there.has(index)) return;
  const published = dateOf((await bucket.read(target.prefix + index))?.toString() ?? "");
  const ours = dateOf(await readFile(join(out, index), "utf8"));
  if (published === undefined || ours === undefined || published <= ours) return;
  throw new AgentError(
    `${where} has a newer index than ${out}, which hosts would not go back from.`,
    {
      exitCode: ExitCode.failed,
      hint,
    },
  );
}

/** The index files that the bucket's indexes name now: hosts in mid-update ask for them next. */
async function namedInBucket(
  { target, bucket }: Publication,
  there: ReadonlyMap<string, PublishedObject>,
): Promise<ReadonlySet<string>> {
  const named = new Set<string>();
  for (const path of there.keys()) {
    if (publishedForm(path)?.isCommit !== true) continue;
    const text = (await bucket.read(target.prefix + path))?.toString() ?? "";
    const directory = dirname(path);
    for (const one of namedFiles(text)) {
      named.add(join(directory, byHashPath(one.path, one.hash)));
    }
    for (const { name } of namedMetadata(text)) named.add(join(directory, name));
  }
  return named;
}

async function publishFile(publishing: Publishing, path: string): Promise<void> {
  const { out, target, bucket, there, stored } = publishing;
  const form = publishedForm(path);
  if (form === undefined) return;
  const body = await readFile(join(out, path));
  const key = target.prefix + path;
  const present = there.get(path);
  const hash = sha256(body);
  if (present !== undefined && (await isEqual(publishing, key, present, body, hash))) return;
  if (present !== undefined && form.isImmutable) throw differs(target, key);
  const { contentType, cacheControl } = form;
  const answer = await bucket.put({
    key,
    body,
    sha256: hash,
    contentType,
    cacheControl,
    onlyIf: present === undefined ? "new" : form.isCommit ? { etag: present.etag } : "always",
  });
  // Our own first attempt, whose answer was lost, may have been there before the second one.
  if (answer === "refused" && (await bucket.sha256(key)) !== hash) {
    if (form.isImmutable) throw differs(target, key);
    throw new AgentError(
      `Somebody else publishes to s3://${target.bucket}/${target.prefix} just now.`,
      {
        exitCode: ExitCode.failed,
        hint: "Let one publish after the other; run this again when the other one is done.",
      },
    );
  }
  stored.push(path);
}

/** Whether an object has this content already, by its MD5, or else by what S3 knows of it. */
async function isEqual(
  { bucket }: Publishing,
  key: string,
  present: PublishedObject,
  body: Buffer,
  hash: string,
): Promise<boolean> {
  if (present.bytes !== body.length) return false;
  if (present.etag === createHash("md5").update(body).digest("hex")) return true;
  return (await bucket.sha256(key)) === hash;
}

function differs(target: Target, key: string): Error {
  return configurationError(
    `s3://${target.bucket}/${key} is another file than ours of that name.`,
    "What was published never changes: make the package under a new version.",
  );
}
