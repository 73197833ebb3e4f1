import { crc32 } from "node:zlib";
import { expect } from "chai";
import type {
  Destination,
  ObjectStore,
  PutPartRequest,
  StoredPart,
} from "../../../src/sweep/object-store.ts";
import { crc32Text, FileChangedError } from "../../../src/sweep/read-file.ts";
import { type FakeS3, startFakeS3 } from "../../support/fake-s3.ts";
import type { Fault } from "../../support/fake-s3-faults.ts";
import { contentOf, makePlace, PART_BYTES } from "../../support/large-files.ts";
import { DESTINATION, sha256Of } from "../../support/memory-store.ts";
import { withS3Store } from "../../support/s3-store.ts";

const NEVER = new AbortController().signal;
const KEY = "dir/ü +%20?";
const CONTENT = contentOf(2.5);
const WHOLE = { destination: DESTINATION, key: KEY, signal: NEVER };

function partOf(uploadId: string, partNumber: number, isStream = false): PutPartRequest {
  const bytes = CONTENT.subarray((partNumber - 1) * PART_BYTES, partNumber * PART_BYTES);
  const pieces = async function* () {
    for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000);
  };
  return {
    ...WHOLE,
    uploadId,
    partNumber,
    bytes: bytes.length,
    sha256: sha256Of(bytes),
    crc32: crc32Text(crc32(bytes)),
    body: isStream ? pieces() : bytes,
  };
}

async function create(store: ObjectStore, destination: Destination = DESTINATION): Promise<string> {
  const answer = await store.createUpload({ ...WHOLE, destination });
  if (answer.kind !== "created") throw new Error(`not created: ${answer.failure.code}`);
  return answer.uploadId;
}

async function putParts(store: ObjectStore, uploadId: string): Promise<StoredPart[]> {
  const parts: StoredPart[] = [];
  for (const partNumber of [1, 2, 3]) {
    const answer = await store.putPart(partOf(uploadId, partNumber, partNumber === 2));
    if (answer.kind !== "stored") throw new Error(`not stored: ${answer.kind}`);
    parts.push({ partNumber, etag: answer.etag, crc32: answer.crc32 ?? "" });
  }
  return parts;
}

function completionOf(uploadId: string, parts: readonly StoredPart[]) {
  const checksum = crc32Text(crc32(CONTENT));
  return { ...WHOLE, uploadId, parts, bytes: CONTENT.length, crc32: checksum, mayOverwrite: false };
}

async function withFake(work: (store: ObjectStore, fake: FakeS3) => Promise<void>): Promise<void> {
  await using fake = await startFakeS3({ buckets: ["b"], partBytesMin: 1 });
  await withS3Store(fake.endpoint, (store) => work(store, fake));
}

describe("the S3 store, in parts", () => {
  it("creates, puts and completes, each in one request, signed and checked", async () => {
    await withFake(async (store, fake) => {
      const uploadId = await create(store);
      const parts = await putParts(store, uploadId);
      expect(await store.completeUpload(completionOf(uploadId, parts))).to.deep.equal({
        kind: "stored",
        crc32: crc32Text(crc32(CONTENT)),
        versionId: undefined,
      });
      expect(fake.objects("b").get(KEY)?.body?.equals(CONTENT)).to.equal(true);
      expect(fake.requests.map(({ operation }) => operation)).to.deep.equal([
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPart",
        "UploadPart",
        "CompleteMultipartUpload",
      ]);
      const [created, first, second, , completed] = fake.requests.map(({ headers }) => headers);
      expect(created).to.include({
        "x-amz-checksum-algorithm": "CRC32",
        "x-amz-checksum-type": "FULL_OBJECT",
      });
      for (const [index, headers] of [first, second].entries()) {
        const part = partOf(uploadId, index + 1);
        expect(headers).to.include({
          "x-amz-content-sha256": part.sha256,
          "x-amz-checksum-crc32": part.crc32,
          "content-length": String(part.bytes),
        });
        for (const name of ["expect", "transfer-encoding", "content-encoding", "x-amz-trailer"]) {
          expect(headers?.[name], name).to.equal(undefined);
        }
        expect(headers?.authorization).to.match(/SignedHeaders=[^,]*x-amz-content-sha256/);
      }
      expect(completed).to.include({
        "if-none-match": "*",
        "x-amz-checksum-crc32": crc32Text(crc32(CONTENT)),
        "x-amz-checksum-type": "FULL_OBJECT",
        "x-amz-mp-object-size": String(CONTENT.length),
      });
      expect(completed?.authorization).to.match(/SignedHeaders=[^,]*if-none-match/);
    });
  });

  it("sends what the destination asks for: the object's properties once, the owner always", async () => {
    const destination = {
      bucket: "b",
      storageClass: "STANDARD_IA",
      kmsKeyId: "alias/x",
      tags: { team: "a b" },
      bucketOwner: "111122223333",
    };
    await withFake(async (store, fake) => {
      const uploadId = await create(store, destination);
      await store.putPart({ ...partOf(uploadId, 1), destination });
      await store.completeUpload({ ...completionOf(uploadId, []), destination });
      await store.abortUpload({ ...WHOLE, uploadId, destination });
      const properties = {
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "alias/x",
        "x-amz-tagging": "team=a+b",
      };
      expect(fake.requests).to.have.length(4);
      for (const [index, { headers }] of fake.requests.entries()) {
        expect(headers["x-amz-expected-bucket-owner"]).to.equal("111122223333");
        if (index === 0) expect(headers).to.include(properties);
        else expect(headers).not.to.have.any.keys(Object.keys(properties));
      }
    });
  });

  it("says that the key is taken, and that it may be overwritten", async () => {
    await withFake(async (store, fake) => {
      fake.plant("b", KEY, Buffer.from("other"));
      const uploadId = await create(store);
      const completion = completionOf(uploadId, await putParts(store, uploadId));
      expect(await store.completeUpload(completion)).to.deep.equal({ kind: "taken" });
      expect(fake.objects("b").get(KEY)?.body?.toString()).to.equal("other");
      const answer = await store.completeUpload({ ...completion, mayOverwrite: true });
      expect(answer.kind).to.equal("stored");
    });
  });

  it("says that an upload is gone", async () => {
    await withFake(async (store) => {
      const uploadId = await create(store);
      const parts = await putParts(store, uploadId);
      const upload = { ...WHOLE, uploadId };
      expect(await store.abortUpload(upload)).to.deep.equal({ kind: "aborted" });
      expect(await store.abortUpload(upload)).to.deep.equal({ kind: "gone" });
      expect(await store.putPart(partOf(uploadId, 1))).to.deep.equal({ kind: "gone" });
      expect(await store.completeUpload(completionOf(uploadId, parts))).to.deep.equal({
        kind: "gone",
      });
    });
  });

  it("a page of HTML or nothing with status 200 acknowledges nothing", async () => {
    for (const kind of ["captive-portal", "empty-200"] as const) {
      await withFake(async (store, fake) => {
        const uploadId = await create(store);
        const parts = await putParts(store, uploadId);
        fake.onPut(() => ({ kind }));
        expect((await store.createUpload(WHOLE)).kind).to.equal("failed");
        const part = await store.putPart(partOf(uploadId, 1));
        expect(part.kind === "failed" && part.failure).to.include({
          kind: "proof",
          isRetryable: false,
          scope: "service",
        });
        const completed = await store.completeUpload(completionOf(uploadId, parts));
        expect(completed.kind === "stored" && completed.crc32 !== undefined).to.equal(false);
      });
    }
  });

  it("a part's answer that carries no checksum is told as such", async () => {
    await withFake(async (store, fake) => {
      const uploadId = await create(store);
      fake.onPut(() => ({ kind: "no-checksum" }));
      const answer = await store.putPart(partOf(uploadId, 1));
      expect(answer.kind === "stored" && "crc32" in answer && answer.crc32).to.equal(undefined);
    });
  });

  const completions: readonly [fault: Fault, expected: string][] = [
    [{ kind: "no-checksum" }, "stored undefined"],
    [{ kind: "error-200", code: "InternalError" }, "transient retryable service"],
    [{ kind: "error-200", code: "SlowDown" }, "throttled retryable service"],
    [{ kind: "lost-answer" }, "transient retryable service"],
    [{ kind: "status", status: 409, code: "ConditionalRequestConflict" }, "conflict"],
    [{ kind: "status", status: 409, code: "OperationAborted" }, "transient retryable service"],
    [{ kind: "status", status: 412, code: "PreconditionFailed" }, "taken"],
    [{ kind: "status", status: 404, code: "NoSuchUpload" }, "gone"],
    [{ kind: "status", status: 404, code: "NoSuchBucket" }, "permanent final service"],
    [{ kind: "status", status: 403, code: "AccessDenied" }, "permanent final service"],
    [{ kind: "status", status: 400, code: "InvalidPart" }, "permanent final file"],
    [{ kind: "status", status: 403, code: "RequestTimeTooSkewed" }, "clock-skew retryable service"],
    [{ kind: "status", status: 400, code: "ExpiredToken" }, "credentials retryable service"],
    [{ kind: "status", status: 503, code: "SlowDown" }, "throttled retryable service"],
  ];
  for (const [fault, expected] of completions) {
    it(`completion, ${Object.values(fault).join(" ")}: ${expected}, in one request`, async () => {
      await withFake(async (store, fake) => {
        const uploadId = await create(store);
        const parts = await putParts(store, uploadId);
        fake.onPut(() => fault);
        const answer = await store.completeUpload(completionOf(uploadId, parts));
        let text: string = answer.kind;
        if (answer.kind === "stored") text = `stored ${answer.crc32}`;
        if (answer.kind === "failed") {
          const { kind, isRetryable, scope } = answer.failure;
          text = `${kind} ${isRetryable ? "retryable" : "final"} ${scope}`;
        }
        expect(text).to.equal(expected);
        expect(fake.requests).to.have.length(5);
      });
    });
  }

  it("throws what a part's body throws, and stores nothing of it", async () => {
    await withFake(async (store, fake) => {
      const uploadId = await create(store);
      const changed = new FileChangedError("a test");
      const body = (async function* () {
        yield CONTENT.subarray(0, 10_000);
        throw changed;
      })();
      const failure: unknown = await store
        .putPart({ ...partOf(uploadId, 1), body })
        .catch((error: unknown) => error);
      expect(failure).to.equal(changed);
      expect(fake.uploads("b")[0]?.parts.size).to.equal(0);
    });
  });

  it("throws the signal's reason when it aborts, whatever is under way", async () => {
    await withFake(async (store, fake) => {
      const uploadId = await create(store);
      const parts = await putParts(store, uploadId);
      const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
        (signal) => store.createUpload({ ...WHOLE, signal }),
        (signal) => store.putPart({ ...partOf(uploadId, 1), signal }),
        (signal) => store.completeUpload({ ...completionOf(uploadId, parts), signal }),
        (signal) => store.abortUpload({ ...WHOLE, uploadId, signal }),
      ];
      for (const call of calls) {
        const controller = new AbortController();
        fake.onPut(() => ({ kind: "hook", during: () => controller.abort(new Error("stop")) }));
        const failure: unknown = await call(controller.signal).catch((error: unknown) => error);
        expect(failure).to.equal(controller.signal.reason);
      }
    });
  });
});

describe("a large upload to S3", () => {
  const faults: readonly [name: string, hook: (nth: number) => Fault | undefined][] = [
    ["nothing goes wrong", () => undefined],
    [
      "every third request is reset",
      (nth) => (nth % 3 === 0 ? { kind: "reset-before" } : undefined),
    ],
    ["every third answer is lost", (nth) => (nth % 3 === 0 ? { kind: "lost-answer" } : undefined)],
    [
      "every third request is throttled",
      (nth) => (nth % 3 === 0 ? { kind: "status", status: 503, code: "SlowDown" } : undefined),
    ],
    [
      "every third body is cut",
      (nth) => (nth % 3 === 0 ? { kind: "reset-during", afterBytes: 20_000 } : undefined),
    ],
  ];
  for (const heldBytesMax of [2 ** 20, 0]) {
    for (const [name, hook] of faults) {
      it(`${name}: arrives whole, in one or two sweeps (${heldBytesMax} bytes held)`, async () => {
        const content = contentOf(8.5);
        await using place = await makePlace(content);
        await withFake(async (store, fake) => {
          let nth = 0;
          fake.onPut(() => {
            nth += 1;
            return hook(nth);
          });
          let result = await place.upload(store, { heldBytesMax });
          for (let sweep = 0; sweep < 3 && result.kind === "failed"; sweep += 1) {
            result = await place.upload(store, { heldBytesMax });
          }
          expect(result.kind).to.equal("proved");
          expect(fake.objects("b").get(result.key)?.body?.equals(content)).to.equal(true);
          expect(fake.objects("b").size).to.be.at.most(2);
        });
      });
    }
  }
});
