import type { Mutation } from "./mutation.ts";

const UPLOAD = "unit/sweep/upload.test.ts";
const TRANSFER = "unit/sweep/transfer.test.ts";
const LARGE = "unit/sweep/large-upload.test.ts";
const STATES = "unit/sweep/upload-states.test.ts";
const S3 = "unit/aws/s3.test.ts";
const ORPHANS = "unit/sweep/orphans.test.ts";
const PARTS = "unit/aws/s3-multipart.test.ts";

/** What makes an answer of the store a proof, and what keeps objects from being overwritten. */
export const UPLOAD_MUTATIONS: readonly Mutation[] = [
  {
    name: "the checksum of the answer is not compared",
    file: "sweep/upload.ts",
    edits: [["answer.sha256 === content.sha256", "true"]],
    foundBy: [TRANSFER, "checksum: the file stays"],
  },
  {
    name: "an answer without a checksum is taken",
    file: "sweep/upload.ts",
    edits: [
      ["answer.sha256 === content.sha256", "(answer.sha256 ?? content.sha256) === content.sha256"],
    ],
    foundBy: [TRANSFER, "store-without-checksum"],
  },
  {
    name: "the checksum of the answer is not read but assumed",
    file: "aws/s3.ts",
    edits: [
      ["checksum === undefined ? undefined : Buffer", "checksum === undefined ? sha256 : Buffer"],
    ],
    foundBy: [S3, "a page of HTML"],
  },
  {
    name: "a put overwrites",
    file: "aws/s3.ts",
    edits: [['request.mayOverwrite ? {} : { IfNoneMatch: "*" }', "{}"]],
    foundBy: [S3, "overwrites only where it may"],
  },
  {
    name: "a completion overwrites",
    file: "aws/s3-multipart.ts",
    edits: [['...(mayOverwrite ? {} : { IfNoneMatch: "*" }),', ""]],
    foundBy: [PARTS, "the key is taken"],
  },
  {
    name: "a taken key is proof of any content",
    file: "sweep/upload.ts",
    edits: [["if (key === keyOfContent) return", 'if (key !== "") return']],
    foundBy: [UPLOAD, "412 for the plain key"],
  },
  {
    name: "a file named like a content's key goes there",
    file: "sweep/upload.ts",
    edits: [["looksLikeContentKey(options.key) ? keyOfContent : options.key", "options.key"]],
    foundBy: [UPLOAD, "named like another content's key"],
  },
  {
    name: "a large file named like a content's key goes there",
    file: "sweep/large-upload.ts",
    edits: [["!looksLikeContentKey(context.key)", "true"]],
    foundBy: [LARGE, "named like a content's key"],
  },
  {
    name: "a begun upload to a key like a content's goes on",
    file: "sweep/large-upload.ts",
    edits: [["target.sha256 === undefined && looksLikeContentKey(key)", "false"]],
    foundBy: [STATES, "looks like another content's"],
  },
  {
    name: "a begun upload goes on whatever key it names",
    file: "sweep/large-upload.ts",
    edits: [["target.key !== begun.key", "false"]],
    foundBy: [STATES, "names another key"],
  },
  {
    name: "the content key is no digest of the content",
    file: "sweep/object-key.ts",
    edits: [["sha256.slice(0, DIGEST_HEX_DIGITS)", "sha256.slice(0, 0)"]],
    foundBy: [UPLOAD, "is taken"],
  },
  {
    name: "objects are overwritten in a bucket without versions",
    file: "sweep/overwrites.ts",
    edits: [["this.#isAllowed && this.#keepsVersions", "this.#isAllowed"]],
    foundBy: [UPLOAD, "nothing is overwritten if"],
  },
  {
    name: "objects are overwritten where versions are suspended",
    file: "sweep/overwrites.ts",
    edits: [[' && versionId !== "null"', ""]],
    foundBy: [UPLOAD, "nothing is overwritten if"],
  },
  {
    name: "objects are overwritten without leave",
    file: "sweep/overwrites.ts",
    edits: [["this.#isAllowed && this.#keepsVersions", "this.#keepsVersions"]],
    foundBy: [UPLOAD, "where overwriting is wished for"],
  },
  {
    name: "an object under a content key is overwritten",
    file: "sweep/upload-round.ts",
    edits: [[" && begun.sha256 === undefined", ""]],
    foundBy: [LARGE, "never overwrites what stands"],
  },
  {
    name: "requests are sent again without a pause",
    file: "sweep/upload.ts",
    edits: [
      ["    await options.clock.sleep(retryDelayMs(", "    void (retryDelayMs("],
      ["options.random), signal);", "options.random));"],
    ],
    foundBy: [UPLOAD, "three times"],
  },
  {
    name: "parts are sent again without a pause",
    file: "sweep/request-retries.ts",
    edits: [["await this.#clock.sleep(", "void ("]],
    foundBy: [LARGE, "tries each part again"],
  },
  {
    name: "what cannot succeed is sent again",
    file: "sweep/upload.ts",
    edits: [["!answer.failure.isRetryable || ", ""]],
    foundBy: [UPLOAD, "stays refused"],
  },
  {
    name: "a file that is shorter than it was is read to its end",
    file: "sweep/read-file.ts",
    edits: [
      [
        'if (bytesRead === 0) throw new FileChangedError("it is shorter than it was");',
        "if (bytesRead === 0) return;",
      ],
    ],
    foundBy: [TRANSFER, "refuses a file that is shorter"],
  },
  {
    name: "a file that is longer than it was is cut",
    file: "sweep/read-file.ts",
    edits: [["if (bytesRead !== 0) throw", "if (bytesRead > 1) throw"]],
    foundBy: [TRANSFER, "refuses a file that is shorter"],
  },
  {
    name: "what is read twice need not be the same",
    file: "sweep/read-file.ts",
    edits: [['hash.digest("hex") !== options.sha256', "false"]],
    foundBy: [TRANSFER, "changed between the two readings"],
  },
  {
    name: "a writer does not end the upload",
    file: "sweep/transfer.ts",
    edits: [
      [
        "lease === undefined ? context.cancel : AbortSignal",
        "lease !== undefined ? context.cancel : AbortSignal",
      ],
    ],
    foundBy: [TRANSFER, "a writer ends the upload"],
  },
  {
    name: "the checksum of a part is not compared",
    file: "sweep/send-parts.ts",
    edits: [["answer.crc32 !== crc32", "false"]],
    foundBy: [LARGE, "a part's answer proves nothing"],
  },
  {
    name: "a recorded part is not compared with the file",
    file: "sweep/send-parts.ts",
    edits: [["if (!isSame) throw", "if (false) throw"]],
    foundBy: [LARGE, "and its time does not"],
  },
  {
    name: "the checksum of the whole is not compared",
    file: "sweep/upload-round.ts",
    edits: [
      ["answer.crc32 === crc32 ? ", "true ? "],
      ["answer.crc32 !== crc32", "false"],
    ],
    foundBy: [LARGE, "nobody can be sure of"],
  },
  {
    name: "a completion's answer without a checksum is taken",
    file: "sweep/upload-round.ts",
    edits: [["answer.crc32 === crc32 ? ", "(answer.crc32 ?? crc32) === crc32 ? "]],
    foundBy: [LARGE, "never an answer with a checksum"],
  },
  {
    name: "the checksum of a completion is not read but assumed",
    file: "aws/s3-multipart.ts",
    edits: [["crc32: ChecksumCRC32, versionId", "crc32: ChecksumCRC32 ?? crc32, versionId"]],
    foundBy: [PARTS, "acknowledges nothing"],
  },
  {
    name: "the checksum of a part is not read but assumed",
    file: "aws/s3-multipart.ts",
    edits: [["etag: ETag, crc32: ChecksumCRC32 }", "etag: ETag, crc32: ChecksumCRC32 ?? crc32 }"]],
    foundBy: [PARTS, "carries no checksum is told"],
  },
  {
    name: "a completion's taken key is proof of any content",
    file: "sweep/large-upload.ts",
    edits: [
      [
        "if (target.sha256 !== undefined) {\n          return await proved",
        'if (target.key !== "") {\n          return await proved',
      ],
    ],
    foundBy: [LARGE, "goes to the content key"],
  },
  {
    name: "a completion that is lost is taken for done",
    file: "sweep/upload-round.ts",
    edits: [
      ['      return { kind: "unknown", sha256 };', '      return { kind: "proved", sha256 };'],
    ],
    foundBy: [LARGE, "nobody can be sure of"],
  },
  {
    name: "a completion is sent before it is written down",
    file: "sweep/upload-round.ts",
    edits: [["    await context.state.completing();\n", ""]],
    foundBy: [LARGE, "has written down"],
  },
  {
    name: "a file that changes while it is sent is completed",
    file: "sweep/upload-round.ts",
    edits: [
      ["    await assertUnchanged(context);\n    await context.state", "    await context.state"],
    ],
    foundBy: [LARGE, "of a file that changes"],
  },
  {
    name: "an upload for another content goes on",
    file: "sweep/upload-round.ts",
    edits: [["begun.sha256 !== undefined && begun.sha256 !== sent.sha256", "false"]],
    foundBy: [LARGE, "names another content"],
  },
  {
    name: "what was proved before is not looked at again",
    file: "sweep/large-upload.ts",
    edits: [["(await hashWhole(context)) !== sha256", "false"]],
    foundBy: [LARGE, "once proved is not sent"],
  },
  {
    name: "the state of another file is gone on with",
    file: "sweep/upload-records.ts",
    edits: [
      ["JSON.stringify(fileRecord(one)) === JSON.stringify(fileRecord(other))", "one !== other"],
    ],
    foundBy: [STATES, "nothing of it is used"],
  },
  {
    name: "a damaged state is gone on with",
    file: "sweep/upload-states.ts",
    edits: [["!found.isDamaged && ", ""]],
    foundBy: [STATES, "starts over"],
  },
  {
    name: "parts stand behind the upload before theirs",
    file: "sweep/upload-states.ts",
    edits: [["    if (!isWritten && this.#log !== undefined) await this.delete();\n", ""]],
    foundBy: [STATES, "behind the name of the first"],
  },
  {
    name: "an upload under way is ended as nobody's",
    file: "sweep/upload-states.ts",
    edits: [
      ["!name.endsWith(SUFFIX) || this.#inUse.has(file)", "!name.endsWith(SUFFIX)"],
      ["this.#inUse.has(file) || (await", "(await"],
    ],
    foundBy: [STATES, "never one that is under way"],
  },
  {
    name: "uploads of another watched directory are ended as nobody's",
    file: "sweep/upload-states.ts",
    edits: [["return join(this.#directory, hashOf(root));", "return this.#directory;"]],
    foundBy: [ORPHANS, "another watched directory"],
  },
  {
    name: "an upload whose file cannot be looked at is ended as nobody's",
    file: "sweep/still-stands.ts",
    edits: [['return !isErrno(error, "ENOENT", "ENOTDIR", "ELOOP");', "return false;"]],
    foundBy: [ORPHANS, "cannot be looked at"],
  },
  {
    name: "an upload whose file stands as it was is ended as nobody's",
    file: "sweep/still-stands.ts",
    edits: [["return now.inode === file.inode", "return now.inode !== file.inode"]],
    foundBy: [ORPHANS, "stands as it was"],
  },
  {
    name: "the SDK sends a put again by itself",
    file: "aws/clients.ts",
    edits: [["maxAttempts: 1", "maxAttempts: 3"]],
    foundBy: [S3, "SlowDown"],
  },
  {
    name: "S3 is not told the checksum of an object",
    file: "aws/s3.ts",
    edits: [['      ChecksumSHA256: Buffer.from(sha256, "hex").toString("base64"),\n', ""]],
    foundBy: [S3, "signed, conditional"],
  },
  {
    name: "a body is not signed",
    file: "aws/s3-requests.ts",
    edits: [['          "x-amz-content-sha256": sha256,\n', ""]],
    foundBy: [S3, "signed, conditional"],
  },
  {
    name: "a completion says no size",
    file: "aws/s3-multipart.ts",
    edits: [["    MpuObjectSize: bytes,\n", ""]],
    foundBy: [PARTS, "signed and checked"],
  },
  {
    name: "a completion says no checksum",
    file: "aws/s3-multipart.ts",
    edits: [["    ChecksumCRC32: crc32,\n    MpuObjectSize", "    MpuObjectSize"]],
    foundBy: [PARTS, "signed and checked"],
  },
  {
    name: "S3 is not told the checksum of a part",
    file: "aws/s3-multipart.ts",
    edits: [["      ChecksumCRC32: crc32,\n    });", "    });"]],
    foundBy: [PARTS, "signed and checked"],
  },
  {
    name: "a 412 is taken for a failure like any other",
    file: "aws/s3.ts",
    edits: [['if (reply.failure.kind === "exists")', "if (false)"]],
    foundBy: [S3, "PreconditionFailed"],
  },
];
