import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { expect } from "chai";
import type { Destination, ObjectStore, PutRequest } from "../../../src/sweep/object-store.ts";
import { FileChangedError } from "../../../src/sweep/read-file.ts";
import { DESTINATION, sha256Of } from "../../support/memory-store.ts";
import { withS3Store } from "../../support/s3-store.ts";
import { entryAt, openContext, transferWhole } from "../../support/transfer-context.ts";

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** As S3 answers a PUT that succeeded. */
const acknowledge: Handler = (_, response, body) => {
  const checksum = createHash("sha256").update(body).digest("base64");
  response.writeHead(200, { "x-amz-checksum-sha256": checksum, "x-amz-version-id": "v1" }).end();
};

const refuse =
  (status: number, code: string): Handler =>
  (_, response) => {
    const xml = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>Because.</Message></Error>`;
    response.writeHead(status, { "content-type": "application/xml" }).end(xml);
  };

/** A server that keeps what it receives, and a store that sends to it. */
async function withServer(
  handler: Handler,
  work: (store: ObjectStore, received: readonly Received[]) => Promise<void>,
  { readsBody = true } = {},
): Promise<void> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    if (!readsBody) {
      received.push({ method, url, headers, body: Buffer.alloc(0) });
      handler(request, response, Buffer.alloc(0));
      return;
    }
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("error", () => undefined);
    request.on("end", () => {
      const body = Buffer.concat(pieces);
      received.push({ method, url, headers, body });
      handler(request, response, body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await withS3Store(endpoint, (store) => work(store, received));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function requestOf(
  content: Buffer,
  { key = "k", isStream = false, destination = DESTINATION as Destination } = {},
): PutRequest {
  const pieces = async function* () {
    for (let at = 0; at < content.length; at += 2 ** 20) yield content.subarray(at, at + 2 ** 20);
  };
  return {
    destination,
    key,
    bytes: content.length,
    sha256: sha256Of(content),
    body: isStream ? pieces() : content,
    mayOverwrite: false,
    signal: new AbortController().signal,
  };
}

describe("the S3 store", () => {
  for (const isStream of [false, true]) {
    for (const bytes of [0, 5, 3 * 2 ** 20 + 1]) {
      it(`puts ${bytes} bytes ${isStream ? "in pieces" : "at once"}, signed, conditional, in one request`, async () => {
        const content = Buffer.alloc(bytes, "abc");
        await withServer(acknowledge, async (store, received) => {
          const sha256 = sha256Of(content);
          const answer = await store.put(requestOf(content, { isStream }));
          expect(answer).to.deep.equal({ kind: "stored", sha256, versionId: "v1" });
          expect(received).to.have.length(1);
          const [{ method, url, headers, body }] = received as [Received];
          expect(method).to.equal("PUT");
          expect(url).to.match(/^\/b\/k(\?x-id=PutObject)?$/);
          expect(body.equals(content)).to.equal(true);
          expect(headers).to.include({
            "if-none-match": "*",
            "x-amz-content-sha256": sha256,
            "x-amz-checksum-sha256": Buffer.from(sha256, "hex").toString("base64"),
            "content-length": String(bytes),
          });
          const absent = [
            "expect",
            "transfer-encoding",
            "content-encoding",
            "x-amz-tagging",
            "x-amz-storage-class",
            "x-amz-server-side-encryption",
            "x-amz-expected-bucket-owner",
            "x-amz-trailer",
            "x-amz-checksum-crc32",
          ];
          for (const name of absent) expect(headers[name], name).to.equal(undefined);
          expect(headers.authorization).to.match(/SignedHeaders=[^,]*if-none-match/);
          expect(headers.authorization).to.match(/SignedHeaders=[^,]*x-amz-content-sha256/);
        });
      });
    }
  }

  it("sends what the destination asks for", async () => {
    const destination = {
      bucket: "b",
      storageClass: "STANDARD_IA",
      kmsKeyId: "alias/x",
      tags: { team: "a b", "k&": "é" },
      bucketOwner: "111122223333",
    };
    await withServer(acknowledge, async (store, [...received]) => {
      expect(received).to.have.length(0);
      await store.put(requestOf(Buffer.from("x"), { destination }));
    });
    await withServer(acknowledge, async (store, received) => {
      await store.put(requestOf(Buffer.from("x"), { destination }));
      expect(received[0]?.headers).to.include({
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "alias/x",
        "x-amz-tagging": "team=a+b&k%26=%C3%A9",
        "x-amz-expected-bucket-owner": "111122223333",
      });
    });
  });

  it("carries every key as it is", async () => {
    const keys = [
      "a b",
      "a+b",
      "100%",
      "%2F",
      "ü/é/😀",
      "e\u0301",
      "?x=1",
      "#a",
      "a&b=c",
      "a//b",
      "d/./e",
      "d/../e",
      "a;b:c@d,e$f",
      "(a)'*!~",
      "a\\b",
      '"<>|^`{}[]',
      "\ufeffa",
      " a ",
      ".",
      "x".repeat(1_024),
    ];
    await withServer(acknowledge, async (store, received) => {
      for (const key of keys) {
        expect((await store.put(requestOf(Buffer.from("x"), { key }))).kind).to.equal("stored");
        const path = received.at(-1)?.url?.replace(/\?x-id=PutObject$/, "") ?? "";
        expect(path).not.to.match(/[?#+ ]/);
        expect(decodeURIComponent(path.slice("/b/".length)), path).to.equal(key);
      }
    });
  });

  it("overwrites only where it may", async () => {
    await withServer(acknowledge, async (store, received) => {
      await store.put({ ...requestOf(Buffer.from("x")), mayOverwrite: true });
      await store.put({ ...requestOf(Buffer.from("x")), mayOverwrite: false });
      expect(received.map(({ headers }) => headers["if-none-match"])).to.deep.equal([
        undefined,
        "*",
      ]);
    });
  });

  const answers: readonly (readonly [number, string, string])[] = [
    [412, "PreconditionFailed", "taken"],
    [409, "ConditionalRequestConflict", "retryable service"],
    [409, "OperationAborted", "retryable service"],
    [500, "InternalError", "retryable service"],
    [503, "SlowDown", "retryable service"],
    [503, "ServiceUnavailable", "retryable service"],
    [400, "RequestTimeout", "retryable service"],
    [400, "BadDigest", "retryable file"],
    [403, "AccessDenied", "permanent service"],
    [403, "SignatureDoesNotMatch", "permanent service"],
    [400, "ExpiredToken", "retryable service"],
    [403, "RequestTimeTooSkewed", "retryable service"],
    [404, "NoSuchBucket", "permanent service"],
    [400, "InvalidRequest", "permanent file"],
    [400, "KeyTooLongError", "permanent file"],
  ];
  for (const [status, code, expected] of answers) {
    it(`${status} ${code}: ${expected}, in one request`, async () => {
      await withServer(refuse(status, code), async (store, received) => {
        const answer = await store.put(requestOf(Buffer.from("x")));
        const text =
          answer.kind === "failed"
            ? `${answer.failure.isRetryable ? "retryable" : "permanent"} ${answer.failure.scope}`
            : answer.kind;
        expect(text).to.equal(expected);
        if (answer.kind === "failed") {
          expect(answer.failure).to.include({ code, message: "Because" });
        }
        expect(received).to.have.length(1);
      });
    });
  }

  it("a page of HTML with status 200 acknowledges nothing", async () => {
    const portal: Handler = (_, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<html>Please log in</html>");
    };
    await withServer(portal, async (store) => {
      const answer = await store.put(requestOf(Buffer.from("x")));
      expect(answer.kind === "stored" && answer.sha256 !== undefined).to.equal(false);
    });
  });

  it("a connection that is cut may be tried again, by somebody else", async () => {
    const cut: Handler = (request) => request.socket.destroy();
    await withServer(cut, async (store, received) => {
      const answer = await store.put(requestOf(Buffer.from("x")));
      expect(answer.kind === "failed" && answer.failure).to.include({
        isRetryable: true,
        scope: "service",
        code: "ECONNRESET",
      });
      expect(received).to.have.length(1);
    });
  });

  it("throws what the body throws, and never completes the object", async () => {
    const content = Buffer.alloc(3 * 2 ** 20);
    const changed = new FileChangedError("a test");
    const body = (async function* () {
      yield content.subarray(0, 2 ** 20);
      throw changed;
    })();
    await withServer(acknowledge, async (store, received) => {
      const failure: unknown = await store
        .put({ ...requestOf(content), body })
        .catch((error: unknown) => error);
      expect(failure).to.equal(changed);
      expect(received).to.have.length(0);
    });
  });

  it("throws the signal's reason when it aborts", async () => {
    const controller = new AbortController();
    const reason = new Error("stop");
    await withServer(
      () => controller.abort(reason),
      async (store) => {
        const request = { ...requestOf(Buffer.from("x")), signal: controller.signal };
        const failure: unknown = await store.put(request).catch((error: unknown) => error);
        expect(failure).to.equal(reason);
      },
    );
  });

  for (const [status, code, ending] of [
    [403, "AccessDenied", "failed"],
    [412, "PreconditionFailed", "removed"],
  ] as const) {
    it(`an answer before the body has been read (${status}) ends a large upload cleanly`, async () => {
      await using directory = await mkdtempDisposable(`${tmpdir()}/s3oa-early-`);
      await writeFile(`${directory.path}/a`, Buffer.alloc(12 * 2 ** 20));
      await withServer(
        refuse(status, code),
        async (store) => {
          const entry = await entryAt(directory.path, "a");
          await using context = await openContext(directory.path, store);
          const outcome = await transferWhole(entry, context);
          expect(outcome.kind).to.equal(ending);
        },
        { readsBody: false },
      );
    });
  }
});
