import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { openRepositoryBucket } from "../../src/aws/repository-bucket.ts";
import { AgentError, configurationError, ExitCode } from "../../src/lib/errors.ts";
import { tryLock } from "../../src/lib/kernel.ts";
import { indexApt } from "./apt.ts";
import { requireExchange } from "./exchange.ts";
import { type Keys, openKeys } from "./keys.ts";
import { readPackages } from "./packages.ts";
import { addPackage, planAdditions } from "./pool.ts";
import { publish } from "./publish.ts";
import { parseTarget, type Target } from "./published-files.ts";
import { readPublicKeys, writeChecksums, writeClientFiles, writePublicKeys } from "./root-files.ts";
import { makeVerifier } from "./signatures.ts";
import { indexYum } from "./yum.ts";

export interface RepositoryOptions {
  /** Undefined: nothing is added; what is there is signed again if it has to be. */
  readonly packages: string | undefined;
  readonly out: string;
  /** Files or names; all sign for apt, the first one for dnf. */
  readonly keys: readonly string[];
  /** What hosts' lists begin with. Undefined: the lists that there are stay as they are. */
  readonly url: string | undefined;
  /** Fingerprints of keys that hosts are no longer to be given. */
  readonly retire: readonly string[];
  /** `s3://BUCKET[/PREFIX]`; undefined: nowhere. */
  readonly publish: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly now: Date;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/** What is on the filesystem of the repository and not a part of it. */
export const WORK_DIRECTORY = ".work";

/**
 * Adds packages to the repository and signs it. All that can be refused is refused before anything
 * is written. Then the order is: public keys, packages, indexes, each in one step, so that hosts
 * can use what is there at every moment and after a kill at any. At last it is published, if so asked.
 * @throws AgentError for the person who runs it; the signal's reason
 */
export async function buildRepository(options: RepositoryOptions): Promise<void> {
  const { out, signal, now, print } = options;
  const target = options.publish === undefined ? undefined : requireTarget(options.publish);
  await using keys = await openKeys({ names: options.keys, env: options.env, now, signal });
  const retired = requireRetirable(options.retire, keys);
  const packages =
    options.packages === undefined ? [] : await readPackages(options.packages, signal);

  await mkdir(out, { recursive: true });
  await using _lock = await takeLock(out);
  const work = join(out, WORK_DIRECTORY);
  await using stack = new AsyncDisposableStack();
  await rm(work, { recursive: true, force: true });
  await mkdir(work);
  stack.defer(() => rm(work, { recursive: true, force: true }));
  await requireExchange(work);
  const additions = await planAdditions(out, packages);

  // Hosts must have the new key before anything is signed with it.
  const before = await readPublicKeys(out);
  const known = await keys.publicKeys(before, []);
  const news = [...(await writePublicKeys(out, known))];
  for (const addition of additions) {
    const keyFile = join(out, "s3-offload-agent.asc");
    await addPackage({ out, work, addition, keys, keyFile, signal });
    news.push(...addition.missing);
  }
  const verifier = await makeVerifier({ publicKeys: known.binary, work, signal });
  const common = { out, work, keys, verifier, now, signal };
  if (await indexApt(common)) news.push("apt/dists/stable");
  news.push(...(await indexYum(common)).map((one) => `yum/${one}/repodata`));
  if (await writeChecksums(common)) news.push("SHA256SUMS.asc");
  if (options.url !== undefined) news.push(...(await writeClientFiles(out, options.url)));
  if (retired.length > 0) {
    news.push(...(await writePublicKeys(out, await keys.publicKeys(before, retired))));
  }
  report({ news, keys, print });
  if (target !== undefined) await publishTo(target, options);
}

function requireTarget(text: string): Target {
  const target = parseTarget(text);
  if (target !== undefined) return target;
  throw configurationError(
    `--publish ${text} is no place in S3.`,
    "Write it as s3://BUCKET or s3://BUCKET/PREFIX.",
  );
}

async function publishTo(target: Target, options: RepositoryOptions): Promise<void> {
  const { out, env, now, signal, print } = options;
  const bucket = await openRepositoryBucket(target.bucket, env);
  try {
    const { stored, removed } = await publish({ out, target, bucket, now, signal });
    for (const path of stored) print(`published ${path}`);
    for (const path of removed) print(`removed ${path}`);
    if (stored.length === 0) print("the bucket has it all");
  } finally {
    bucket.destroy();
  }
}

/** @returns the fingerprints, in one form */
function requireRetirable(retire: readonly string[], keys: Keys): string[] {
  return retire.map((name) => {
    const fingerprint = name.replace(/^0x|\s/g, "").toUpperCase();
    if (!/^([0-9A-F]{40}|[0-9A-F]{64})$/.test(fingerprint)) {
      throw configurationError(`--retire ${name} is no fingerprint.`, "See gpg --show-keys FILE");
    }
    if (keys.fingerprints.includes(fingerprint)) {
      throw configurationError(
        `The key ${fingerprint} is to sign and to be retired.`,
        "Leave out its --key or its --retire.",
      );
    }
    return fingerprint;
  });
}

/** The kernel drops it with the process, so that no kill leaves one behind. */
async function takeLock(out: string) {
  const directory = await open(out, "r");
  if (tryLock(directory.fd)) return directory;
  await directory.close();
  throw new AgentError(`Another process works on ${out}.`, {
    exitCode: ExitCode.failed,
    hint: "Wait for its end, then run this again.",
  });
}

function report(options: {
  readonly news: readonly string[];
  readonly keys: Keys;
  readonly print: (line: string) => void;
}): void {
  const { news, keys, print } = options;
  for (const path of new Set(news)) print(path);
  if (news.length === 0) print("nothing has changed");
  print(`signed by ${keys.fingerprints.join(" and ")}`);
  for (const note of keys.notes) print(`note: ${note}`);
}
