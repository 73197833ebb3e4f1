import { S3Client } from "@aws-sdk/client-s3";
import { expect } from "chai";
import { makeS3Store } from "../../../src/aws/s3.ts";
import { contentKey, objectKey } from "../../../src/sweep/object-key.ts";
import { startFakeS3 } from "../../support/fake-s3.ts";
import { DESTINATION, sha256Of } from "../../support/memory-store.ts";
import { nameOf } from "../../support/names.ts";

const keyOf = (...pieces: readonly (string | number)[]): string =>
  objectKey({ prefix: "", host: "h", fleet: "f", mtimeMs: 0, path: nameOf(...pieces) });

const KEYS: readonly string[] = [
  "d/e/a.log",
  "a b  c ",
  " a",
  "a+b c%20d",
  "a?b=c&x-id=PutObject",
  "a#b",
  "100%.csv",
  "%",
  "%%",
  "%25",
  "%2F",
  keyOf("%0A"),
  keyOf("\n"),
  keyOf("a\r\n\tb\u0001\u007f"),
  keyOf("caf", 0xe9, 0xff),
  keyOf("\u0085\u2028\u202e\ufffe"),
  "é e\u0301 語 😀 \u00a0 \ufeff \ufffd \u{10ffff}",
  "!'()*~-_.;:@,$",
  '[]{}<>|\\^`"',
  ".../..a/.b/c./...",
  "http://a",
  "x".repeat(984),
  keyOf("x".repeat(985)),
  keyOf("é".repeat(2_000)),
  contentKey(keyOf(..."\n".repeat(400)), "0123456789abcdef".repeat(4)),
];

describe("the S3 store and the key that it is asked for", () => {
  it("stores an object under exactly that key", async () => {
    await using fake = await startFakeS3({ buckets: [DESTINATION.bucket] });
    const client = new S3Client({
      endpoint: fake.endpoint,
      region: "eu-central-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      forcePathStyle: true,
      maxAttempts: 1,
    });
    try {
      const store = makeS3Store(client);
      for (const key of KEYS) {
        const body = Buffer.from(`content of ${key}`);
        const answer = await store.put({
          destination: DESTINATION,
          key,
          bytes: body.length,
          sha256: sha256Of(body),
          body,
          mayOverwrite: false,
          signal: new AbortController().signal,
        });
        expect(answer, key).to.include({ kind: "stored", sha256: sha256Of(body) });
      }
    } finally {
      client.destroy();
    }
    expect([...fake.objects(DESTINATION.bucket).keys()]).to.deep.equal(KEYS);
  });
});
