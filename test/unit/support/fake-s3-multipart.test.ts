import { createHash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
  type UploadPartCommandInput,
} from "@aws-sdk/client-s3";
import { expect } from "chai";
import fc from "fast-check";
import { type FakeS3, startFakeS3 } from "../../support/fake-s3.ts";
import { combineCrc32 } from "../../support/fake-s3-crc32.ts";
import type { Fault } from "../../support/fake-s3-faults.ts";

const BUCKET = "landing";
const PART_BYTES = 1_000;
const CONTENT = randomBytes(2_500);

describe("the fake S3, multipart uploads", () => {
  let fake: FakeS3;
  let s3: S3Client;

  beforeEach(async () => {
    fake = await startFakeS3({ buckets: [BUCKET], partBytesMin: PART_BYTES });
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

  async function create(key = "a"): Promise<string> {
    const answer = await s3.send(
      new CreateMultipartUploadCommand({
        Bucket: BUCKET,
        Key: key,
        ChecksumAlgorithm: "CRC32",
        ChecksumType: "FULL_OBJECT",
        StorageClass: "STANDARD_IA",
        Tagging: "site=north",
      }),
    );
    return answer.UploadId ?? "";
  }

  async function putPart(
    uploadId: string,
    number: number,
    input: Partial<UploadPartCommandInput> = {},
  ) {
    const body = bytesOf(number);
    const answer = await s3.send(
      new UploadPartCommand({
        Bucket: BUCKET,
        Key: "a",
        UploadId: uploadId,
        PartNumber: number,
        Body: body,
        ChecksumCRC32: crc32Of(body),
        ...input,
      }),
    );
    return { PartNumber: number, ETag: answer.ETag, ChecksumCRC32: answer.ChecksumCRC32 };
  }

  async function putParts(uploadId: string) {
    // Not in their order: that is the business of the completion.
    const parts = [
      await putPart(uploadId, 3),
      await putPart(uploadId, 1),
      await putPart(uploadId, 2),
    ];
    return parts.toSorted((one, other) => one.PartNumber - other.PartNumber);
  }

  const complete = (
    uploadId: string,
    Parts: readonly {
      PartNumber: number;
      ETag: string | undefined;
      ChecksumCRC32: string | undefined;
    }[],
    input: Partial<CompleteMultipartUploadCommandInput> = {},
  ) =>
    s3.send(
      new CompleteMultipartUploadCommand({
        Bucket: BUCKET,
        Key: "a",
        UploadId: uploadId,
        MultipartUpload: { Parts: [...Parts] },
        ChecksumCRC32: crc32Of(CONTENT),
        ChecksumType: "FULL_OBJECT",
        MpuObjectSize: CONTENT.length,
        IfNoneMatch: "*",
        ...input,
      }),
    );

  const abort = (uploadId: string) =>
    s3.send(new AbortMultipartUploadCommand({ Bucket: BUCKET, Key: "a", UploadId: uploadId }));

  it("make one object of their parts, with the checksum of the whole", async () => {
    const uploadId = await create();
    const parts = await putParts(uploadId);
    expect(fake.objects(BUCKET).size).to.equal(0);
    expect(fake.uploads(BUCKET).map(({ key }) => key)).to.deep.equal(["a"]);
    const answer = await complete(uploadId, parts);
    expect(answer).to.include({ ChecksumCRC32: crc32Of(CONTENT), ChecksumType: "FULL_OBJECT" });
    expect(answer.ETag).to.match(/^"[0-9a-f]{32}-3"$/);
    const object = fake.objects(BUCKET).get("a");
    expect(object).to.include({
      size: CONTENT.length,
      sha256: createHash("sha256").update(CONTENT).digest("hex"),
      storageClass: "STANDARD_IA",
      tagging: "site=north",
    });
    expect(object?.body?.equals(CONTENT)).to.equal(true);
    expect(fake.uploads(BUCKET)).to.deep.equal([]);
  });

  it("replace a part that comes again, and take the parts that are named", async () => {
    const uploadId = await create();
    await putPart(uploadId, 4, {
      Body: Buffer.from("x"),
      ChecksumCRC32: crc32Of(Buffer.from("x")),
    });
    await putPart(uploadId, 1, {
      Body: Buffer.from("x"),
      ChecksumCRC32: crc32Of(Buffer.from("x")),
    });
    await complete(uploadId, await putParts(uploadId));
    expect(fake.objects(BUCKET).get("a")?.body?.equals(CONTENT)).to.equal(true);
  });

  it("answer a completion again, until that is forgotten", async () => {
    const uploadId = await create();
    const parts = await putParts(uploadId);
    await complete(uploadId, parts);
    expect((await complete(uploadId, parts)).ChecksumCRC32).to.equal(crc32Of(CONTENT));
    fake.forgetCompletions();
    expect(await refusalOf(complete(uploadId, parts))).to.equal("404 NoSuchUpload");
  });

  it("do not overwrite, and survive it", async () => {
    fake.plant(BUCKET, "a", Buffer.from("first"));
    const uploadId = await create();
    const parts = await putParts(uploadId);
    expect(await refusalOf(complete(uploadId, parts))).to.equal("412 PreconditionFailed");
    expect(fake.objects(BUCKET).get("a")?.body?.toString()).to.equal("first");
    expect(fake.uploads(BUCKET)).to.have.length(1);
    await complete(uploadId, parts, { IfNoneMatch: undefined });
    expect(fake.objects(BUCKET).get("a")?.size).to.equal(CONTENT.length);
  });

  it("end when they are aborted", async () => {
    const uploadId = await create();
    await putPart(uploadId, 1);
    expect((await abort(uploadId)).$metadata.httpStatusCode).to.equal(204);
    expect(fake.uploads(BUCKET)).to.deep.equal([]);
    expect(await refusalOf(abort(uploadId))).to.equal("404 NoSuchUpload");
    expect(await refusalOf(putPart(uploadId, 1))).to.equal("404 NoSuchUpload");
    expect(await refusalOf(complete(uploadId, []))).to.equal("404 NoSuchUpload");
  });

  it("belong to their key", async () => {
    const uploadId = await create("b");
    expect(await refusalOf(putPart(uploadId, 1))).to.equal("404 NoSuchUpload");
  });

  const partCases: readonly [string, Partial<UploadPartCommandInput>, string][] = [
    ["the CRC-32 of other bytes", { ChecksumCRC32: "AAAAAA==" }, "400 BadDigest"],
    ["part number 0", { PartNumber: 0 }, "400 InvalidArgument"],
    ["part number 10,001", { PartNumber: 10_001 }, "400 InvalidArgument"],
    ["the wrong bucket owner", { ExpectedBucketOwner: "999999999999" }, "403 AccessDenied"],
    [
      "another checksum than the upload's",
      { ChecksumCRC32: undefined, ChecksumSHA256: sha256Of(bytesOf(1)) },
      "400 InvalidRequest",
    ],
  ];
  for (const [what, input, refusal] of partCases) {
    it(`refuse a part with ${what}: ${refusal}`, async () => {
      const uploadId = await create();
      expect(await refusalOf(putPart(uploadId, 1, input))).to.equal(refusal);
      expect(fake.uploads(BUCKET)[0]?.parts.size).to.equal(0);
    });
  }

  it("take part number 10,000", async () => {
    const uploadId = await create();
    await putPart(uploadId, 1, { PartNumber: 10_000 });
  });

  const completeCases: readonly [string, Partial<CompleteMultipartUploadCommandInput>, string][] = [
    ["the CRC-32 of other bytes", { ChecksumCRC32: "AAAAAA==" }, "400 BadDigest"],
    ["another size", { MpuObjectSize: CONTENT.length + 1 }, "400 InvalidRequest"],
    ["another type of checksum", { ChecksumType: "COMPOSITE" }, "400 InvalidRequest"],
    ["no parts", { MultipartUpload: { Parts: [] } }, "400 MalformedXML"],
  ];
  for (const [what, input, refusal] of completeCases) {
    it(`refuse a completion with ${what}: ${refusal}`, async () => {
      const uploadId = await create();
      const parts = await putParts(uploadId);
      expect(await refusalOf(complete(uploadId, parts, input))).to.equal(refusal);
      expect(fake.objects(BUCKET).size).to.equal(0);
      expect(fake.uploads(BUCKET)).to.have.length(1);
    });
  }

  it("refuse parts that are missing, others, out of order or too small", async () => {
    const uploadId = await create();
    const [one, two, three] = await putParts(uploadId);
    if (one === undefined || two === undefined || three === undefined) throw new Error("no parts");
    const refusals = [
      [[one, two, { ...three, PartNumber: 4 }], "400 InvalidPart"],
      [[one, two, { ...three, ETag: '"0"' }], "400 InvalidPart"],
      [[one, two, { ...three, ChecksumCRC32: "AAAAAA==" }], "400 InvalidPart"],
      [[two, one, three], "400 InvalidPartOrder"],
      [[one, one], "400 InvalidPartOrder"],
    ] as const;
    for (const [parts, refusal] of refusals) {
      expect(await refusalOf(complete(uploadId, parts))).to.equal(refusal);
    }
    const small = await putPart(uploadId, 2, {
      Body: CONTENT.subarray(0, PART_BYTES - 1),
      ChecksumCRC32: crc32Of(CONTENT.subarray(0, PART_BYTES - 1)),
    });
    expect(await refusalOf(complete(uploadId, [one, small, three]))).to.equal("400 EntityTooSmall");
  });

  it("ask for 5 MiB a part unless a test says otherwise", async () => {
    await using other = await startFakeS3({ buckets: [BUCKET] });
    s3.destroy();
    s3 = new S3Client({
      endpoint: other.endpoint,
      region: "eu-central-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      forcePathStyle: true,
      maxAttempts: 1,
    });
    const uploadId = await create();
    expect(await refusalOf(complete(uploadId, await putParts(uploadId)))).to.equal(
      "400 EntityTooSmall",
    );
  });

  it("show every operation to the hook, each with attempts of its own", async () => {
    const seen: string[] = [];
    fake.onPut(({ operation, partNumber, attemptForThisKey }) => {
      seen.push(`${operation} ${partNumber ?? "-"} ${attemptForThisKey}`);
      return undefined;
    });
    const uploadId = await create();
    const part = await putPart(uploadId, 1);
    await putPart(uploadId, 1);
    await putPart(uploadId, 2);
    await refusalOf(complete(uploadId, [part]));
    await abort(uploadId);
    expect(seen).to.deep.equal([
      "CreateMultipartUpload - 1",
      "UploadPart 1 1",
      "UploadPart 1 2",
      "UploadPart 2 1",
      "CompleteMultipartUpload - 1",
      "AbortMultipartUpload - 1",
    ]);
    expect(fake.requests.map(({ operation }) => operation)).to.include("UploadPart");
  });

  const faults: readonly [fault: Fault, failure: string, isStored: boolean][] = [
    [{ kind: "no-checksum" }, "undefined", true],
    [{ kind: "wrong-checksum" }, "another", true],
    [{ kind: "lost-answer" }, "ECONNRESET", true],
    [{ kind: "error-200", code: "InternalError" }, "503 InternalError", false],
    [
      { kind: "status", status: 409, code: "ConditionalRequestConflict" },
      "409 ConditionalRequestConflict",
      false,
    ],
    [{ kind: "reset-before" }, "ECONNRESET", false],
  ];
  for (const [fault, failure, isStored] of faults) {
    it(`let ${fault.kind} strike a completion`, async () => {
      const uploadId = await create();
      const parts = await putParts(uploadId);
      fake.onPut(() => fault);
      const result = await complete(uploadId, parts).then(
        ({ ChecksumCRC32: checksum }) =>
          checksum === undefined
            ? "undefined"
            : checksum === crc32Of(CONTENT)
              ? "right"
              : "another",
        (error: unknown) => refusalOf(Promise.reject(error)),
      );
      expect(result).to.equal(failure);
      expect(fake.objects(BUCKET).has("a")).to.equal(isStored);
      expect(fake.uploads(BUCKET)).to.have.length(isStored ? 0 : 1);
    });
  }
});

describe("the CRC-32 of two pieces", () => {
  it("is that of both together", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array({ maxLength: 300 }), (one, other) => {
        const whole = crc32(Buffer.concat([one, other]));
        expect(combineCrc32(crc32(one), crc32(other), other.length)).to.equal(whole);
      }),
    );
  });
});

function bytesOf(part: number): Buffer {
  return CONTENT.subarray((part - 1) * PART_BYTES, part * PART_BYTES);
}

function crc32Of(bytes: Buffer): string {
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(bytes));
  return checksum.toString("base64");
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("base64");
}

async function refusalOf(promise: Promise<unknown>): Promise<string> {
  const error: NodeJS.ErrnoException = await promise.then(
    () => new Error("it did not fail"),
    (reason: NodeJS.ErrnoException) => reason,
  );
  if (error instanceof S3ServiceException) return `${error.$metadata.httpStatusCode} ${error.name}`;
  return error.code ?? error.message;
}
