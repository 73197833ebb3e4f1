import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import type { ObjectStore, PutAnswer } from "../../../src/sweep/object-store.ts";
import { type FakeS3, startFakeS3 } from "../../support/fake-s3.ts";
import { DESTINATION, sha256Of } from "../../support/memory-store.ts";
import { withS3Store } from "../../support/s3-store.ts";

const HOUR_MS = 3_600_000;

function put(store: ObjectStore, key = "k"): Promise<PutAnswer> {
  return store.put({
    destination: DESTINATION,
    key,
    bytes: 1,
    sha256: sha256Of("x"),
    body: Buffer.from("x"),
    mayOverwrite: false,
    signal: new AbortController().signal,
  });
}

/** The hour from which a request says that it is. */
function signedAt(fake: FakeS3, index: number): number {
  const text = String(fake.requests[index]?.headers["x-amz-date"]);
  return Date.parse(
    text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"),
  );
}

function accessKeyOf(fake: FakeS3, index: number): string | undefined {
  return /Credential=(\w+)\//.exec(String(fake.requests[index]?.headers.authorization))?.[1];
}

describe("the S3 store and a clock that is wrong", () => {
  for (const code of ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"]) {
    for (const hours of [5, -5]) {
      it(`${code}: the next request has the time of the service (${hours} hours)`, async () => {
        await using fake = await startFakeS3({ buckets: ["b"] });
        const date = new Date(Date.now() + hours * HOUR_MS).toUTCString();
        fake.onPut(({ index }) =>
          index === 0 ? { kind: "status", status: 403, code, headers: { date } } : undefined,
        );
        await withS3Store(fake.endpoint, async (store) => {
          const answer = await put(store);
          expect(answer.kind === "failed" && answer.failure).to.include({
            kind: "clock-skew",
            isRetryable: true,
            scope: "service",
          });
          expect(fake.requests).to.have.length(1);
          expect((await put(store)).kind).to.equal("stored");
          expect(signedAt(fake, 1) - signedAt(fake, 0)).to.be.closeTo(hours * HOUR_MS, HOUR_MS / 2);
        });
      });
    }
  }
});

describe("the S3 store and credentials that have expired", () => {
  for (const code of ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"]) {
    it(`${code}: the next request is signed with those of now, from the environment`, async () => {
      await using fake = await startFakeS3({ buckets: ["b"] });
      fake.onPut(({ index }) => {
        if (index > 0) return undefined;
        process.env["AWS_ACCESS_KEY_ID"] = "AKIDNEW";
        return { kind: "status", status: 400, code };
      });
      await withS3Store(fake.endpoint, async (store) => {
        const answer = await put(store);
        expect(answer.kind === "failed" && answer.failure).to.include({
          kind: "credentials",
          isRetryable: true,
          scope: "service",
        });
        expect(fake.requests).to.have.length(1);
        expect((await put(store)).kind).to.equal("stored");
        expect([0, 1].map((index) => accessKeyOf(fake, index))).to.deep.equal([
          "AKIDTEST",
          "AKIDNEW",
        ]);
      });
    });
  }

  it("also from the shared file, which was written again meanwhile", async () => {
    await using folder = await mkdtempDisposable(`${tmpdir()}/s3oa-credentials-`);
    await using fake = await startFakeS3({ buckets: ["b"] });
    const file = `${folder.path}/credentials`;
    const write = (id: string) =>
      writeFile(file, `[default]\naws_access_key_id = ${id}\naws_secret_access_key = s\n`);
    await write("AKIDOLD");
    fake.onPut(({ index }) =>
      index === 0
        ? {
            kind: "status",
            status: 400,
            code: "ExpiredToken",
          }
        : undefined,
    );
    const environment = {
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_SHARED_CREDENTIALS_FILE: file,
    };
    await withS3Store(
      fake.endpoint,
      async (store, client) => {
        await client.config.credentials();
        await write("AKIDNEW");
        await put(store);
        await put(store);
        expect([0, 1].map((index) => accessKeyOf(fake, index))).to.deep.equal([
          "AKIDOLD",
          "AKIDNEW",
        ]);
      },
      environment,
    );
  });

  it("ten requests that fail together ask for new ones once", async () => {
    await using fake = await startFakeS3({ buckets: ["b"] });
    fake.onPut(() => ({ kind: "status", status: 400, code: "ExpiredToken" }));
    await withS3Store(fake.endpoint, async (store, client) => {
      const { credentials } = client.config;
      let renewals = 0;
      client.config.credentials = Object.assign(
        (options?: Parameters<typeof credentials>[0]) => {
          if (options?.forceRefresh === true) renewals += 1;
          return credentials(options);
        },
        { memoized: true },
      );
      await Promise.all(Array.from({ length: 10 }, (_, n) => put(store, `k${n}`)));
      expect(renewals).to.equal(1);
    });
  });

  it("what the service refuses for another reason asks for none", async () => {
    await using fake = await startFakeS3({ buckets: ["b"] });
    for (const code of ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"]) {
      fake.onPut(() => ({ kind: "status", status: 403, code }));
      await withS3Store(fake.endpoint, async (store) => {
        const answer = await put(store);
        expect(answer.kind === "failed" && answer.failure).to.include({
          kind: code === "AccessDenied" ? "permanent" : "credentials",
          isRetryable: false,
          scope: "service",
        });
      });
    }
  });
});
