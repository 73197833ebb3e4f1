import { mkdir, mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SECRET_MARK } from "../../tools/marks.ts";
import { startChildServer } from "./child-server.ts";
import { filesBelow, sha256OfFile } from "./tree.ts";

/** A real S3 server of somebody else's making (versitygw) with one bucket. */
export interface RealS3 extends AsyncDisposable {
  /** Such as `http://127.0.0.1:41234`; path style. */
  readonly endpoint: string;
  readonly bucket: string;
  /** What makes a program use it for S3. A proxy in front of it: overwrite `AWS_ENDPOINT_URL_S3`. */
  readonly env: Readonly<Record<string, string>>;
  /** SHA-256 in hexadecimal of every object by its key, read from the disk of the server. */
  objects(): Promise<Map<string, string>>;
  /** How many files there are of multipart uploads that were neither completed nor aborted. */
  multipartLeftovers(): Promise<number>;
}

/** Where the server keeps the parts of unfinished uploads, and what it has under way. */
const INTERNAL = ".sgwtmp";

const ACCESS_KEY = "real-s3-access";
const SECRET_KEY = `${SECRET_MARK}-real-s3`;
const REGION = "eu-central-1";

/**
 * Starts versitygw on loopback with an empty bucket in a temporary directory. Its files are
 * objects: keys such as `a` beside `a/b` or with parts of more than 255 bytes are not for it.
 * @param options.bucket its name, of 3 characters or more
 */
export async function startRealS3(options: { readonly bucket: string }): Promise<RealS3> {
  const { bucket } = options;
  await using stack = new AsyncDisposableStack();
  const temporary = stack.adopt(await mkdtempDisposable(join(tmpdir(), "real-s3-")), (one) =>
    one.remove(),
  );
  const root = join(temporary.path, "root");
  const folder = join(root, bucket);
  await mkdir(folder, { recursive: true });
  const server = stack.use(
    await startChildServer({
      program: "versitygw",
      // Without --keep-alive every request is the last one of its connection.
      args: ["--port", "127.0.0.1:0", "--region", REGION, "--keep-alive", "--quiet", "posix", root],
      env: { ROOT_ACCESS_KEY: ACCESS_KEY, ROOT_SECRET_KEY: SECRET_KEY },
    }),
  );
  const endpoint = `http://127.0.0.1:${server.port}`;
  const owned = stack.move();
  return {
    endpoint,
    bucket,
    env: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: SECRET_KEY,
    },
    async objects() {
      const objects = new Map<string, string>();
      for await (const { path } of filesBelow(folder)) {
        const key = path.subarray(folder.length + 1).toString();
        if (!key.startsWith(`${INTERNAL}/`)) objects.set(key, await sha256OfFile(path));
      }
      return objects;
    },
    async multipartLeftovers() {
      let count = 0;
      for await (const _ of filesBelow(join(folder, INTERNAL, "multipart"))) count += 1;
      return count;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
