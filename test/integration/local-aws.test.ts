import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { CloudWatchLogsClient, CreateLogGroupCommand } from "@aws-sdk/client-cloudwatch-logs";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

describe("the local AWS", () => {
  it("answers S3, SSM and CloudWatch Logs, and is gone after it was stopped", async () => {
    const aws = await startLocalAws();
    try {
      expect(aws.endpoint).to.match(/^http:\/\/127\.0\.0\.1:\d+$/);
      await useS3(aws);
      await useSsm(aws);
      await useCloudWatchLogs(aws);
    } finally {
      await aws.stop();
    }
    expect(existsSync(`/proc/${aws.pid}`)).to.equal(false);
    expect(await tryToConnect(aws.endpoint)).to.equal("ECONNREFUSED");
  });

  it("keeps two servers apart", async () => {
    await using one = await startLocalAws();
    await using other = await startLocalAws();
    expect(one.endpoint).not.to.equal(other.endpoint);
    await useSsm(one);
    await useSsm(other);
  });

  it("gives a program its own settings and none of its owner's", async () => {
    await using aws = await startLocalAws();
    const owner = { HOME: "/home/owner", AWS_PROFILE: "prod", AWS_ACCESS_KEY_ID: "AKIAPROD" };
    expect(aws.environment(owner)).to.deep.equal({ HOME: "/home/owner", ...aws.env });
    expect(aws.env).to.include({
      AWS_ENDPOINT_URL: aws.endpoint,
      AWS_ENDPOINT_URL_S3: aws.endpoint,
    });
  });

  it("stops when its signal aborts, while it starts and later", async () => {
    const early = new AbortController();
    const starting = startLocalAws({ signal: early.signal });
    early.abort(new Error("changed my mind"));
    expect((await failureOf(starting)).message).to.equal("changed my mind");

    const late = new AbortController();
    const aws = await startLocalAws({ signal: late.signal });
    late.abort();
    try {
      await waitForEnd(aws.endpoint);
    } finally {
      await aws.stop();
    }
  });

  it("says what to do when it is not installed, and why it ended", async () => {
    const missing = await failureOf(startLocalAws({ python: "/nonexistent/python3" }));
    expect(missing.message)
      .to.contain("is not installed")
      .and.contain("npm run setup")
      .and.contain("/nonexistent/python3");

    await using directory = await mkdtempDisposable(`${tmpdir()}/local-aws-`);
    const python = `${directory.path}/python3`;
    await writeFile(python, "#!/bin/sh\necho 'no module named moto' >&2\nexit 3\n", {
      mode: 0o755,
    });
    const ended = await failureOf(startLocalAws({ python }));
    expect(ended.message).to.contain("exit code 3").and.contain("no module named moto");
  });

  it("does not outlive a parent that was killed", async () => {
    const script = `
      import { startLocalAws } from "./tools/local-aws.ts";
      const aws = await startLocalAws();
      process.stdout.write(JSON.stringify({ pid: aws.pid, endpoint: aws.endpoint }) + "\\n");`;
    const parent = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(createInterface({ input: parent.stdout }), "line");
    const { pid, endpoint }: { pid: number; endpoint: string } = JSON.parse(line);
    try {
      parent.kill("SIGKILL");
      await waitForEnd(endpoint);
    } catch (error) {
      process.kill(pid, "SIGKILL");
      throw error;
    }
  });
});

async function useS3(aws: LocalAws): Promise<void> {
  const s3 = new S3Client({ ...settings(aws), forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: "landing" }));
  const sent = await s3.send(
    new PutObjectCommand({
      Bucket: "landing",
      Key: "a",
      Body: Buffer.from("hello"),
      ChecksumAlgorithm: "SHA256",
    }),
  );
  expect(sent.ChecksumSHA256).to.equal("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
  s3.destroy();
}

async function useSsm(aws: LocalAws): Promise<void> {
  const ssm = new SSMClient(settings(aws));
  // Creating the same parameter twice is an error: the first version shows that the server is new.
  const put = new PutParameterCommand({ Name: "/demo/bucket", Value: "landing", Type: "String" });
  expect((await ssm.send(put)).Version).to.equal(1);
  ssm.destroy();
}

async function useCloudWatchLogs(aws: LocalAws): Promise<void> {
  const logs = new CloudWatchLogsClient(settings(aws));
  const made = await logs.send(new CreateLogGroupCommand({ logGroupName: "/demo" }));
  expect(made.$metadata.httpStatusCode).to.equal(200);
  logs.destroy();
}

function settings(aws: LocalAws) {
  return {
    endpoint: aws.endpoint,
    region: "eu-central-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  };
}

/**
 * Resolves when nothing listens any more; it rejects after 10 s. It waits on a connection: the
 * kernel closes the server's side of it when the server ends, not before. That may be an instant
 * before it closes the listening socket, hence the loop.
 */
async function waitForEnd(endpoint: string): Promise<void> {
  const signal = AbortSignal.timeout(10_000);
  for (;;) {
    const connection = connect(Number(new URL(endpoint).port), "127.0.0.1");
    try {
      await once(connection, "connect", { signal });
      await once(connection.resume(), "close", { signal });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ECONNREFUSED") return;
      if (code !== "ECONNRESET") throw error;
    } finally {
      connection.destroy();
    }
  }
}

/** @returns the system's error code, or `connected`. */
async function tryToConnect(endpoint: string): Promise<string> {
  const socket = connect(Number(new URL(endpoint).port), "127.0.0.1");
  try {
    await once(socket, "connect");
    return "connected";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    socket.destroy();
  }
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const result = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(result instanceof Error)) throw new Error(`expected an Error, got ${result}`);
  return result;
}
