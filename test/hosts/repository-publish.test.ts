import { mkdtempDisposable, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, request as forward } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, HeadObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { expect } from "chai";
import { filesBelow } from "../../packaging/repository/index-directory.ts";
import { sha256 } from "../../packaging/repository/packages.ts";
import { publish } from "../../packaging/repository/publish.ts";
import { isHashedIndex } from "../../packaging/repository/published-files.ts";
import { OLD_FILES_KEPT_MS } from "../../packaging/repository/retention.ts";
import { openRepositoryBucket, type RepositoryBucket } from "../../src/aws/repository-bucket.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { listenOnLoopback } from "../support/local-server.ts";
import {
  copyOf,
  openWorkshop,
  readRepository,
  type Workshop,
  writeInto,
} from "../support/package-repository.ts";

const BUCKET = "packages";

describe("npm run repository -- --publish", () => {
  let place: Awaited<ReturnType<typeof mkdtempDisposable>>;
  let shop: Workshop;
  let aws: LocalAws;
  let s3: S3Client;
  /** A repository with 1.0, and the same one with 2.0 as well. */
  let first: string;
  let second: string;

  before(async () => {
    place = await mkdtempDisposable(join(tmpdir(), "repository-publish-"));
    aws = await startLocalAws();
    s3 = new S3Client({
      endpoint: aws.endpoint,
      region: "eu-central-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      forcePathStyle: true,
    });
    const CreateBucketConfiguration = { LocationConstraint: "eu-central-1" } as const;
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET, CreateBucketConfiguration }));
    shop = await openWorkshop(place.path);
    first = join(place.path, "first");
    await make(first, "--packages", await shop.packages("1.0"), "--url", "https://example.com");
    second = await copyOf(first, join(place.path, "second"));
    await make(second, "--packages", await shop.packages("2.0"));
  });
  after(async () => {
    s3?.destroy();
    await aws?.stop();
    await place.remove();
  });

  const make = async (out: string, ...args: readonly string[]) => {
    const made = await shop.run(["--out", out, "--key", shop.key("old"), ...args]);
    expect(made.status, made.stderr).to.equal(0);
  };

  let prefixes = 0;
  const newPrefix = () => {
    prefixes += 1;
    return `p${prefixes}/`;
  };
  const env = (endpoint = aws.endpoint) => ({
    ...aws.env,
    AWS_ENDPOINT_URL: endpoint,
    AWS_ENDPOINT_URL_S3: endpoint,
  });
  const run = (out: string, prefix: string, more: Readonly<Record<string, string>> = env()) =>
    shop.run(["--out", out, "--key", shop.key("old"), "--publish", `s3://${BUCKET}/${prefix}`], {
      env: more,
    });
  const published = (text: Buffer) =>
    [...text.toString().matchAll(/^published (.+)$/gm)].map(([, path = ""]) => path);

  async function withBucket(work: (bucket: RepositoryBucket) => Promise<void>): Promise<void> {
    // The SDK looks for credentials in this process's own environment.
    const names = Object.keys(aws.env);
    const saved = names.map((name) => [name, process.env[name]] as const);
    Object.assign(process.env, aws.env);
    const bucket = await openRepositoryBucket(BUCKET, aws.env);
    try {
      await work(bucket);
    } finally {
      bucket.destroy();
      for (const [name, value] of saved) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  }

  /** What a client could fetch now, as a directory. */
  async function fetched(prefix: string): Promise<string> {
    const target = join(place.path, `fetched-${prefix.slice(0, -1)}`);
    await rm(target, { recursive: true, force: true });
    await withBucket(async (bucket) => {
      for (const key of (await bucket.list(prefix)).keys()) {
        const content = await bucket.read(key);
        await writeInto(join(target, key.slice(prefix.length)), content ?? "");
      }
    });
    return target;
  }

  it("sends packages first, indexes by hash and keys next, and then what points to them", async () => {
    const prefix = newPrefix();
    await using front = await startFront(aws.endpoint);
    const made = await run(first, prefix, env(front.endpoint));
    expect(made.status, made.stderr).to.equal(0);
    const stages = front.puts.map((key) => {
      if (/\.(deb|rpm)$/.test(key)) return "1 packages";
      if (/by-hash|repodata\/\w{64}-/.test(key)) return "2 by hash";
      if (/\/s3-offload-agent\.\w+$/.test(key)) return "3 keys and lists";
      if (key.endsWith("InRelease")) return "4 InRelease";
      if (/apt\/dists/.test(key)) return "5 rest of apt";
      return /SHA256SUMS/.test(key) ? "7 checksums" : "6 repomd";
    });
    expect(stages).to.deep.equal([...stages].sort());
    expect(new Set(stages).size).to.equal(7);
    expect(front.puts.filter((key) => key.includes("repomd.xml"))).to.deep.equal(
      ["aarch64", "x86_64"].flatMap((one) =>
        ["", ".asc"].map((end) => `/${BUCKET}/${prefix}yum/${one}/repodata/repomd.xml${end}`),
      ),
    );
    const keyring = join(first, "s3-offload-agent.gpg");
    expect(await readRepository(await fetched(prefix), keyring)).to.have.length(4);
  });

  it("says of each object what it is and how long caches may keep it", async () => {
    const prefix = newPrefix();
    expect((await run(first, prefix)).status).to.equal(0);
    const head = async (path: string) => {
      const command = new HeadObjectCommand({ Bucket: BUCKET, Key: prefix + path });
      const { ContentType, CacheControl } = await s3.send(command);
      return [ContentType, CacheControl];
    };
    const forever = "public, max-age=31536000, immutable";
    const pool = "apt/pool/main/s/s3-offload-agent/s3-offload-agent_1.0_amd64.deb";
    const [primary] = (await readdir(join(first, "yum/x86_64/repodata"))).filter((one) =>
      one.endsWith("-primary.xml.gz"),
    );
    expect(await head(pool)).to.deep.equal(["application/vnd.debian.binary-package", forever]);
    expect(await head(`yum/x86_64/repodata/${primary}`)).to.deep.equal([
      "application/gzip",
      forever,
    ]);
    expect(await head("apt/dists/stable/InRelease")).to.deep.equal([
      "text/plain; charset=utf-8",
      "public, max-age=60",
    ]);
    expect(await head("yum/x86_64/repodata/repomd.xml")).to.deep.equal([
      "text/xml; charset=utf-8",
      "no-cache",
    ]);
  });

  it("sends only what is new or different", async () => {
    const prefix = newPrefix();
    await run(first, prefix);
    expect((await run(first, prefix)).stdout.toString()).to.contain("the bucket has it all");
    const sent = published((await run(second, prefix)).stdout);
    expect(sent.filter((path) => path.includes("1.0"))).to.deep.equal([]);
    expect(sent.filter((path) => path.includes("2.0"))).to.have.length(4);
    expect(sent).to.include("apt/dists/stable/InRelease");
    expect(sent).not.to.include("s3-offload-agent.gpg");
  });

  it("leaves a bucket that hosts can use, whichever object is the last, and goes on from there", async () => {
    const keyring = join(first, "s3-offload-agent.gpg");
    const states = new Set<string>();
    await withBucket(async (bucket) => {
      const common = { now: new Date(), signal: AbortSignal.timeout(120_000) };
      for (let last = 0; ; last += 2) {
        const target = { bucket: BUCKET, prefix: newPrefix() };
        await publish({ ...common, target, bucket, out: first });
        let left = last;
        const cut: RepositoryBucket = {
          ...bucket,
          put: async (object) => {
            left -= 1;
            if (left < 0) throw new Error("cut off");
            return await bucket.put(object);
          },
        };
        const end = await publish({ ...common, target, bucket: cut, out: second }).catch(String);
        const there = await fetched(target.prefix);
        states.add((await readRepository(there, keyring, { isWhole: false })).join());
        if (typeof end !== "string") break;
        expect(end).to.equal("Error: cut off");
        if (last % 6 !== 0) continue;
        await publish({ ...common, target, bucket, out: second });
        expect(await readRepository(await fetched(target.prefix), keyring)).to.have.length(8);
      }
    });
    // Before all indexes, after apt's, after each of yum's.
    expect(states.size).to.equal(4);
  });

  it("says what it takes when S3 refuses", async () => {
    await using front = await startFront(aws.endpoint, 0);
    const refused = await run(first, newPrefix(), env(front.endpoint));
    expect(refused.status).to.equal(3);
    expect(refused.stderr).to.contain("AccessDenied").and.contain("output PublishPolicyArn");
  });

  it("does not hide what others have published, nor go back to an older index", async () => {
    const prefix = newPrefix();
    await run(second, prefix);
    const lacking = await run(first, prefix);
    expect(lacking.status).to.equal(1);
    expect(lacking.stderr)
      .to.contain("has packages that")
      .and.contain("s3-offload-agent_2.0_arm64.deb")
      .and.contain(`aws s3 sync s3://${BUCKET}/${prefix}`);
    const older = await copyOf(first, join(place.path, "older"));
    const resigned = await copyOf(first, join(place.path, "resigned"));
    await make(resigned, "--key", shop.key("new"));
    const other = newPrefix();
    await withBucket(async (bucket) => {
      const target = { bucket: BUCKET, prefix: other };
      const common = { target, bucket, now: new Date(), signal: AbortSignal.timeout(60_000) };
      await publish({ ...common, out: resigned });
      await expectRejection(publish({ ...common, out: older }), /has a newer index/);
    });
  });

  it("never overwrites a package, and lets one publish after the other", async () => {
    const prefix = newPrefix();
    await run(first, prefix);
    const changed = await copyOf(first, join(place.path, "changed"));
    const pool = "apt/pool/main/s/s3-offload-agent";
    await writeFile(join(changed, pool, "s3-offload-agent_1.0_amd64.deb"), "another one");
    await withBucket(async (bucket) => {
      const target = { bucket: BUCKET, prefix };
      const common = { target, bucket, now: new Date(), signal: AbortSignal.timeout(60_000) };
      await expectRejection(publish({ ...common, out: changed }), /is another file than ours/);
      // Somebody else's index comes in between the listing and ours.
      const late: RepositoryBucket = {
        ...bucket,
        list: async (below) => {
          const objects = await bucket.list(below);
          const key = `${prefix}apt/dists/stable/InRelease`;
          const body = Buffer.from("theirs");
          const type = { contentType: "text/plain", cacheControl: "no-cache" };
          await bucket.put({ key, body, ...type, sha256: sha256(body), onlyIf: "always" });
          return objects;
        },
      };
      await expectRejection(
        publish({ ...common, bucket: late, out: second }),
        /Somebody else publishes/,
      );
    });
  });

  it("removes index files that no index names, a day later and never those of the state before", async () => {
    const prefix = newPrefix();
    await run(first, prefix);
    const stray = `${prefix}apt/dists/stable/main/binary-amd64/by-hash/SHA256/${"a".repeat(64)}`;
    const stranger = `${prefix}somebody/elses`;
    const body = Buffer.from("stray");
    const type = { contentType: "text/plain", cacheControl: "no-cache", onlyIf: "new" } as const;
    await withBucket(async (bucket) => {
      for (const key of [stray, stranger]) {
        await bucket.put({ key, body, sha256: sha256(body), ...type });
      }
      const target = { bucket: BUCKET, prefix };
      const common = { target, bucket, signal: AbortSignal.timeout(60_000) };
      const now = new Date();
      const later = new Date(now.getTime() + OLD_FILES_KEPT_MS + 60_000);
      expect((await publish({ ...common, out: first, now })).removed).to.deep.equal([]);
      // As if it had been pruned: without what only the first state names.
      const bare = await copyOf(second, join(place.path, "bare"));
      const hashed = async (out: string) => (await filesBelow(out)).filter(isHashedIndex);
      const ofFirst = await hashed(first);
      for (const path of ofFirst) await rm(join(bare, path));
      const pruned = await publish({ ...common, out: bare, now: later });
      expect(pruned.removed).to.deep.equal([stray.slice(prefix.length)]);
      const again = await publish({ ...common, out: bare, now: later });
      expect([...again.removed].sort()).to.deep.equal(ofFirst);
      const keys = [...(await bucket.list(prefix)).keys()];
      expect(keys).to.include(stranger).and.not.include(stray);
    });
    const keyring = join(first, "s3-offload-agent.gpg");
    expect(await readRepository(await fetched(prefix), keyring)).to.have.length(8);
  });
});

async function expectRejection(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(String(error)).to.match(message);
}

/** A server before S3 that notes what is written, and refuses all writes after some. */
async function startFront(upstream: string, writesMax = Number.POSITIVE_INFINITY) {
  const puts: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const { method, url = "", headers } = incoming;
    if (method === "PUT") {
      if (puts.length >= writesMax) {
        incoming.resume();
        outgoing.writeHead(403, { "content-type": "application/xml" });
        outgoing.end("<Error><Code>AccessDenied</Code><Message>cut off</Message></Error>");
        return;
      }
      puts.push(url.replace(/\?.*$/, ""));
    }
    const passed = forward(upstream + url, { ...(method && { method }), headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(passed);
  });
  return Object.assign(await listenOnLoopback(server), { puts });
}
