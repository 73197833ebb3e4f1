import { createHash } from "node:crypto";
import { once } from "node:events";
import { type OutgoingHttpHeaders, request } from "node:http";
import { text } from "node:stream/consumers";
import { setImmediate as nextTurn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import {
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { expect } from "chai";
import { type FakeS3, startFakeS3 } from "../../support/fake-s3.ts";
import type { Fault } from "../../support/fake-s3-faults.ts";

const BUCKET = "landing";
const CONTENT = Buffer.from("21.5 degrees at noon\n");
const CHECKSUM = checksumOf(CONTENT);
const OTHER_CHECKSUM = checksumOf(Buffer.from("other"));

describe("the fake S3", () => {
  let fake: FakeS3;
  let s3: S3Client;

  beforeEach(async () => {
    fake = await startFakeS3({ buckets: [BUCKET] });
    s3 = new S3Client({
      endpoint: fake.endpoint,
      region: "eu-central-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      forcePathStyle: true,
      maxAttempts: 1,
    });
  });

  afterEach(async () => {
    s3.destroy();
    await fake.stop();
  });

  const put = (input: Partial<PutObjectCommandInput> = {}) =>
    s3.send(
      new PutObjectCommand({
        Bucket: BUCKET,
        Key: "a",
        Body: CONTENT,
        ChecksumSHA256: checksumOf(input.Body),
        IfNoneMatch: "*",
        ...input,
      }),
    );

  describe("stores", () => {
    it("an object and answers with its checksum", async () => {
      const answer = await put({ StorageClass: "STANDARD_IA", Tagging: "site=north" });
      expect(answer).to.include({ ChecksumSHA256: CHECKSUM, ChecksumType: "FULL_OBJECT" });
      expect(answer.ETag).to.equal(`"${createHash("md5").update(CONTENT).digest("hex")}"`);
      expect(answer.$metadata.requestId).to.match(/^[0-9A-F]{16}$/);
      expect(answer.VersionId).to.equal(undefined);

      const object = fake.objects(BUCKET).get("a");
      expect(object).to.include({
        size: CONTENT.length,
        sha256: sha256(CONTENT).toString("hex"),
        storageClass: "STANDARD_IA",
        tagging: "site=north",
      });
      expect(object?.body).to.deep.equal(CONTENT);
      expect(object?.headers["if-none-match"]).to.equal("*");
    });

    it("an empty object", async () => {
      await put({ Body: Buffer.alloc(0) });
      expect(fake.objects(BUCKET).get("a")?.size).to.equal(0);
    });

    it("keys of every shape under their very names", async () => {
      const keys = ["a b+c&d=e?f#g%20", "x//y/../z", "größe/✓", "/lead", "k".repeat(1_024)];
      for (const Key of keys) await put({ Key });
      expect([...fake.objects(BUCKET).keys()]).to.deep.equal(keys);
    });

    it("a plus that was sent as such as a space", async () => {
      await rawPut(fake, {}, "/landing/a+b%2Bc");
      expect([...fake.objects(BUCKET).keys()]).to.deep.equal(["a b+c"]);
    });

    it("no content above 16 MiB, only its size and checksum", async () => {
      const large = Buffer.alloc(16 * 2 ** 20 + 1, "x");
      await put({ Key: "large", Body: large });
      await put({ Key: "largest-kept", Body: large.subarray(1) });
      expect(fake.objects(BUCKET).get("large")).to.include({
        size: large.length,
        sha256: sha256(large).toString("hex"),
        body: undefined,
      });
      expect(fake.objects(BUCKET).get("largest-kept")?.body?.length).to.equal(16 * 2 ** 20);
    });

    it("an object with the CRC32 that the SDK adds", async () => {
      const answer = await s3.send(
        new PutObjectCommand({ Bucket: BUCKET, Key: "a", Body: CONTENT }),
      );
      const expected = Buffer.alloc(4);
      expected.writeUInt32BE(crc32(CONTENT));
      expect(answer.ChecksumCRC32).to.equal(expected.toString("base64"));
    });

    it("versions if it is asked to", async () => {
      await using versioned = await startFakeS3({ buckets: [BUCKET], versioned: true });
      const answer = await rawPut(versioned);
      expect(answer.headers["x-amz-version-id"]).to.be.a("string");
      expect(versioned.objects(BUCKET).get("a")?.versionId).to.equal(
        answer.headers["x-amz-version-id"],
      );
    });
  });

  describe("refuses", () => {
    it("a key that is taken, when asked to, and overwrites it otherwise", async () => {
      fake.plant(BUCKET, "a", Buffer.from("first"));
      expect(await refusalOf(put())).to.equal("412 PreconditionFailed");
      expect(fake.objects(BUCKET).get("a")?.body?.toString()).to.equal("first");
      await put({ IfNoneMatch: undefined });
      expect(fake.objects(BUCKET).get("a")?.body).to.deep.equal(CONTENT);
    });

    it("the second of two requests that race for a key", async () => {
      const { promise: until, resolve } = Promise.withResolvers<void>();
      fake.onPut(() => ({ kind: "delay", until, when: "before-store" }));
      const racing = Promise.allSettled([put(), put()]);
      await fake.waitUntil(
        (requests) => requests.filter(({ step }) => step === "read").length === 2,
      );
      resolve();
      const statuses = (await racing).map(({ status }) => status);
      expect(statuses).to.have.members(["fulfilled", "rejected"]);
      expect(fake.requests.map(({ answer }) => answer)).to.have.members([200, 412]);
    });

    const cases: [what: string, input: Partial<PutObjectCommandInput>, refusal: string][] = [
      ["a SHA-256 of other bytes", { ChecksumSHA256: OTHER_CHECKSUM }, "400 BadDigest"],
      ["what is no SHA-256", { ChecksumSHA256: "AAAA" }, "400 InvalidRequest"],
      ["two checksums", { ChecksumCRC32: "AAAAAA==" }, "400 InvalidRequest"],
      [
        "a CRC32 of other bytes",
        { ChecksumSHA256: undefined, ChecksumCRC32: "AAAAAA==" },
        "400 BadDigest",
      ],
      ["an MD5 of other bytes", { ContentMD5: "1B2M2Y8AsgTpgAmY7PhCfg==" }, "400 BadDigest"],
      ["a key of 1,025 bytes", { Key: "é".repeat(512).concat("k") }, "400 KeyTooLongError"],
      ["an unknown bucket", { Bucket: "elsewhere" }, "404 NoSuchBucket"],
      ["the wrong bucket owner", { ExpectedBucketOwner: "999999999999" }, "403 AccessDenied"],
      ["another condition", { IfNoneMatch: '"etag"' }, "501 NotImplemented"],
    ];
    for (const [what, input, refusal] of cases) {
      it(`${what} with ${refusal}`, async () => {
        expect(await refusalOf(put(input))).to.equal(refusal);
        expect(fake.objects(BUCKET).size).to.equal(0);
      });
    }

    it("nothing of the right bucket owner", async () => {
      await put({ ExpectedBucketOwner: "111122223333" });
      expect(fake.objects(BUCKET).size).to.equal(1);
    });

    const rawCases: [what: string, headers: OutgoingHttpHeaders, status: number, code: string][] = [
      ["no authorization", { authorization: undefined }, 403, "AccessDenied"],
      ["a chunked body", { "transfer-encoding": "chunked" }, 411, "MissingContentLength"],
      ["more than 5 GiB", { "content-length": 5 * 2 ** 30 + 1 }, 400, "EntityTooLarge"],
      [
        "another payload",
        { "x-amz-content-sha256": "0".repeat(64) },
        400,
        "XAmzContentSHA256Mismatch",
      ],
      ["no payload hash", { "x-amz-content-sha256": undefined }, 400, "InvalidRequest"],
      ["a wrong payload hash", { "x-amz-content-sha256": "abc" }, 400, "InvalidArgument"],
      ["chunk signatures", { "x-amz-content-sha256": "STREAMING-X" }, 501, "NotImplemented"],
      ["an unfaked checksum", { "x-amz-checksum-sha1": "AAAA" }, 501, "NotImplemented"],
      ["a copy", { "x-amz-copy-source": "/landing/b" }, 403, "AccessDenied"],
    ];
    for (const [what, headers, status, code] of rawCases) {
      it(`${what} with ${status} ${code}`, async () => {
        const answer = await rawPut(fake, headers);
        expect(answer.status).to.equal(status);
        expect(answer.body).to.contain(`<Code>${code}</Code>`);
        expect(answer.headers["x-amz-request-id"]).to.be.a("string");
        expect(fake.objects(BUCKET).size).to.equal(0);
      });
    }

    it("no unsigned payload", async () => {
      const answer = await rawPut(fake, { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" });
      expect(answer.status).to.equal(200);
    });

    it("a target that is not UTF-8 with 400 InvalidURI", async () => {
      const answer = await rawPut(fake, {}, "/landing/%ff");
      expect(answer.status).to.equal(400);
      expect(answer.body).to.contain("<Code>InvalidURI</Code>");
    });

    it("a body that ends too early, by storing nothing", async () => {
      const client = startRawPut(fake, { "content-length": CONTENT.length + 1 });
      client.on("error", () => undefined);
      client.write(CONTENT);
      await fake.waitUntil((requests) => requests[0]?.bytes === CONTENT.length);
      client.destroy();
      await fake.waitUntil((requests) => requests[0]?.answer === "dropped");
      // Another exchange: whatever the fake still had to do for the first is done.
      await put({ Key: "later" });
      expect(fake.requests[0]).to.include({ step: "arrived", bytes: CONTENT.length });
      expect([...fake.objects(BUCKET).keys()]).to.deep.equal(["later"]);
    });

    it("everything that stores nothing, and records it", async () => {
      await put();
      const get = new GetObjectCommand({ Bucket: BUCKET, Key: "a" });
      const list = new ListObjectsV2Command({ Bucket: BUCKET });
      expect(await refusalOf(s3.send(get))).to.equal("403 AccessDenied");
      expect(await refusalOf(s3.send(list))).to.equal("403 AccessDenied");
      const part = await rawPut(fake, {}, "/landing/b?acl");
      expect(part.status).to.equal(403);
      expect(
        fake.requests.map(({ method, bucket, key, answer }) => ({ method, bucket, key, answer })),
      ).to.deep.equal([
        { method: "PUT", bucket: BUCKET, key: "a", answer: 200 },
        { method: "GET", bucket: BUCKET, key: "a", answer: 403 },
        { method: "GET", bucket: BUCKET, key: "", answer: 403 },
        { method: "PUT", bucket: BUCKET, key: "b", answer: 403 },
      ]);
      expect([...fake.objects(BUCKET).keys()]).to.deep.equal(["a"]);
    });
  });

  describe("injects", () => {
    const isStored = () => fake.objects(BUCKET).has("a");
    const strike = (fault: Fault) => fake.onPut(() => fault);

    it("an error, with its headers", async () => {
      strike({ kind: "status", status: 503, code: "SlowDown", headers: { "retry-after": "7" } });
      expect(await refusalOf(put())).to.equal("503 SlowDown");
      const answer = await rawPut(fake);
      expect(answer.headers["retry-after"]).to.equal("7");
      expect(isStored()).to.equal(false);
      expect(fake.requests[0]).to.include({ fault: "status", step: "read", answer: 503 });
    });

    it("a reset before the body", async () => {
      strike({ kind: "reset-before" });
      expect(await refusalOf(put())).to.be.oneOf(["ECONNRESET", "EPIPE"]);
      expect(isStored()).to.equal(false);
      expect(fake.requests[0]).to.include({ bytes: 0, step: "arrived" });
    });

    it("a reset during the body", async () => {
      strike({ kind: "reset-during", afterBytes: 100_000 });
      const Body = Buffer.alloc(4_000_000);
      expect(await refusalOf(put({ Body }))).to.be.oneOf(["ECONNRESET", "EPIPE"]);
      expect(fake.requests[0]?.bytes).to.be.within(100_000, Body.length - 1);
      expect(isStored()).to.equal(false);
    });

    it("a reset at the end of a body that is shorter than asked for", async () => {
      strike({ kind: "reset-during", afterBytes: 100_000 });
      expect(await refusalOf(put())).to.equal("ECONNRESET");
      expect(isStored()).to.equal(false);
    });

    it("a lost answer, after which the key is taken", async () => {
      fake.onPut(({ attemptForThisKey }) =>
        attemptForThisKey === 1 ? { kind: "lost-answer" } : undefined,
      );
      expect(await refusalOf(put())).to.equal("ECONNRESET");
      expect(isStored()).to.equal(true);
      expect(await refusalOf(put())).to.equal("412 PreconditionFailed");
    });

    it("an answer without a checksum", async () => {
      strike({ kind: "no-checksum" });
      const answer = await put();
      expect(answer).to.not.include.any.keys("ChecksumSHA256", "ChecksumType");
      expect(answer.ETag).to.be.a("string");
      expect(isStored()).to.equal(true);
    });

    it("the checksum of other bytes", async () => {
      strike({ kind: "wrong-checksum" });
      const answer = await put();
      expect(answer.ChecksumType).to.equal("FULL_OBJECT");
      expect(answer.ChecksumSHA256).to.have.length(CHECKSUM.length).and.not.equal(CHECKSUM);
      expect(isStored()).to.equal(true);
    });

    for (const kind of ["captive-portal", "empty-200"] as const) {
      it(`${kind}, which the SDK takes for success`, async () => {
        strike({ kind });
        const answer = await put();
        expect(answer.$metadata.httpStatusCode).to.equal(200);
        expect(answer).to.not.include.any.keys("ETag", "ChecksumSHA256", "ChecksumType");
        expect(isStored()).to.equal(false);
        const raw = await rawPut(fake);
        expect(raw.headers["x-amz-request-id"]).to.equal(undefined);
        expect(raw.body.includes("<!doctype html>")).to.equal(kind === "captive-portal");
      });
    }

    it("silence, until it stops", async () => {
      strike({ kind: "hang" });
      const outcome = refusalOf(put());
      await fake.waitUntil((requests) => requests[0]?.step === "read");
      await fake.stop();
      expect(await outcome).to.equal("ECONNRESET");
      expect(isStored()).to.equal(false);
      expect(fake.requests[0]?.answer).to.equal("dropped");
    });

    it("a delay, before or after the object is stored", async () => {
      for (const [index, when] of (["before-store", "after-store"] as const).entries()) {
        const { promise: until, resolve } = Promise.withResolvers<void>();
        strike({ kind: "delay", until, when });
        const step = when === "before-store" ? "read" : "stored";
        const answer = put({ Key: when });
        await fake.waitUntil((requests) => requests[index]?.step === step);
        expect(fake.objects(BUCKET).has(when)).to.equal(when === "after-store");
        expect(fake.requests[index]?.answer).to.equal(undefined);
        resolve();
        await answer;
        expect(fake.objects(BUCKET).has(when)).to.equal(true);
      }
    });

    it("a delay that the client does not wait for, and stores all the same", async () => {
      const { promise: until, resolve } = Promise.withResolvers<void>();
      fake.onPut(({ key }) =>
        key === "a" ? { kind: "delay", until, when: "before-store" } : undefined,
      );
      const client = startRawPut(fake, {});
      client.on("error", () => undefined);
      client.end(CONTENT);
      await fake.waitUntil((requests) => requests[0]?.step === "read");
      client.destroy();
      await fake.waitUntil((requests) => requests[0]?.answer === "dropped");
      resolve();
      await put({ Key: "later" });
      expect(fake.requests[0]).to.include({ step: "stored", answer: "dropped" });
      expect(isStored()).to.equal(true);
    });

    it("nothing more once it has stopped", async () => {
      const { promise: until, resolve } = Promise.withResolvers<void>();
      strike({ kind: "delay", until, when: "before-store" });
      const outcome = refusalOf(put());
      await fake.waitUntil((requests) => requests[0]?.step === "read");
      await fake.stop();
      expect(await outcome).to.equal("ECONNRESET");
      resolve();
      await nextTurn();
      expect(isStored()).to.equal(false);
      expect(fake.requests[0]).to.include({ step: "read", answer: "dropped" });
    });

    it("a call to the test between the body and the answer", async () => {
      const seen: unknown[] = [];
      strike({ kind: "hook", during: () => void seen.push(isStored(), fake.requests[0]?.answer) });
      await put();
      expect(seen).to.deep.equal([true, undefined]);

      strike({
        kind: "hook",
        when: "before-store",
        during: async () => fake.plant(BUCKET, "b", Buffer.from("somebody else's")),
      });
      expect(await refusalOf(put({ Key: "b" }))).to.equal("412 PreconditionFailed");
    });

    it("what the hook chooses for this key, attempt and request", async () => {
      const asked: unknown[] = [];
      fake.onPut((request) => {
        asked.push(request);
        return undefined;
      });
      await put();
      await refusalOf(put());
      await put({ Key: "b" });
      expect(asked).to.deep.equal([
        { operation: "PutObject", bucket: BUCKET, key: "a", attemptForThisKey: 1, index: 0 },
        { operation: "PutObject", bucket: BUCKET, key: "a", attemptForThisKey: 2, index: 1 },
        { operation: "PutObject", bucket: BUCKET, key: "b", attemptForThisKey: 1, index: 2 },
      ]);
    });

    it("no failure of its own: a hook that throws fails the test when it stops", async () => {
      await using other = await startFakeS3({ buckets: [BUCKET] });
      const failing = await startFakeS3({
        buckets: [BUCKET],
        onPut: () => {
          throw new Error("the test is wrong");
        },
      });
      expect((await rawPut(other)).status).to.equal(200);
      expect(await refusalOf(rawPut(failing))).to.equal("ECONNRESET");
      const error = await failing.stop().catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(AggregateError);
      expect((error as AggregateError).message).to.contain("the test is wrong");
    });
  });

  describe("waits", () => {
    it("for requests to arrive", async () => {
      const { promise: until, resolve } = Promise.withResolvers<void>();
      fake.onPut(() => ({ kind: "delay", until }));
      const waiting = fake.waitForRequests(2);
      const answers = [put(), put({ Key: "b" })];
      await waiting;
      expect(fake.requests).to.have.length(2);
      await fake.waitForRequests(1);
      resolve();
      await Promise.all(answers);
    });

    it("until its signal aborts or it stops", async () => {
      const controller = new AbortController();
      const aborted = refusalOf(fake.waitForRequests(1, controller.signal));
      const stopped = refusalOf(fake.waitForRequests(1));
      controller.abort(new Error("enough"));
      expect(await aborted).to.equal("enough");
      await fake.stop();
      expect(await stopped).to.equal("the fake S3 has stopped");
    });
  });
});

/** Sends the headers of a PutObject of CONTENT without the SDK; undefined takes one away. */
function startRawPut(fake: FakeS3, changes: OutgoingHttpHeaders, path = `/${BUCKET}/a`) {
  const headers: OutgoingHttpHeaders = {
    authorization: "AWS4-HMAC-SHA256 Credential=test",
    "x-amz-content-sha256": sha256(CONTENT).toString("hex"),
    ...changes,
  };
  if (headers["transfer-encoding"] === undefined) headers["content-length"] ??= CONTENT.length;
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) delete headers[name];
  }
  return request(fake.endpoint, { method: "PUT", path, headers, agent: false });
}

/** Sends a whole PutObject of CONTENT without the SDK and reads the answer. */
async function rawPut(fake: FakeS3, changes: OutgoingHttpHeaders = {}, path?: string) {
  const client = startRawPut(fake, changes, path);
  client.write(CONTENT);
  // With a larger Content-Length the rest of the body never comes.
  if (Number(client.getHeader("content-length") ?? 0) <= CONTENT.length) client.end();
  const [response] = await once(client, "response");
  const body = await text(response);
  client.destroy();
  const { statusCode: status, headers } = response;
  return { status, headers, body };
}

/** @returns how a call failed: the status and the code of S3, the system's code or the message. */
async function refusalOf(promise: Promise<unknown>): Promise<string> {
  const error: NodeJS.ErrnoException = await promise.then(
    () => new Error("it did not fail"),
    (reason: NodeJS.ErrnoException) => reason,
  );
  if (error instanceof S3ServiceException) {
    return `${error.$metadata.httpStatusCode} ${error.name}`;
  }
  return error.code ?? error.message;
}

function checksumOf(body: PutObjectCommandInput["Body"]): string {
  return sha256(body instanceof Buffer ? body : CONTENT).toString("base64");
}

function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}
