import { chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { makeHost, type RunOptions, recordsOf, type TestHost } from "../support/host.ts";

const UNREACHABLE = "http://127.0.0.1:1";

interface Case {
  readonly what: string;
  readonly exitCode: number;
  /** What the message must name. */
  readonly names: readonly (string | RegExp)[];
  readonly parameters?: Readonly<Record<string, string | undefined>>;
  /** The command works, but the file fails. */
  readonly isOfFile?: boolean;
  readonly args?: readonly string[];
  readonly options?: RunOptions;
  /** Makes the trouble. May answer further options. */
  readonly prepare?: (host: TestHost) => Promise<RunOptions | undefined>;
}

/** A refused parameter: exit code 2, named in full with the reason. */
function refused(leaf: string, value: string, reason: string | RegExp): Case {
  return {
    what: `the parameter ${leaf} is ${JSON.stringify(value)}`,
    exitCode: 2,
    names: [new RegExp(`/s3-offload-agent/fleets/[\\w-]+/${leaf} `), reason],
    parameters: { [leaf]: value },
  };
}

function bootstrap(what: string, text: string, names: Case["names"]): Case {
  return {
    what: `the bootstrap file ${what}`,
    exitCode: 2,
    names: ["agent.yaml", ...names],
    async prepare(host) {
      await writeFile(host.bootstrap, text);
      return undefined;
    },
  };
}

function unusable(how: string, mode: number): Case {
  return {
    what: `the watched directory is ${how}`,
    exitCode: 2,
    names: ["cannot be used", "EACCES", "/watched"],
    async prepare(host) {
      await chmod(host.folder, 0o755);
      await chmod(host.watched, mode);
      const state = join(host.folder, "state");
      await mkdir(state);
      await chmod(state, 0o777);
      // root may do everything, so another user has to try; only root can start one.
      return process.getuid?.() === 0 ? { uid: 65_534 } : undefined;
    },
  };
}

const CASES: readonly Case[] = [
  bootstrap("is not YAML", "fleet: web\nallowedRoots: [\n", ["line 3"]),
  bootstrap("has an unknown key", "fleet: web\n\nfleat: x\n", ["line 3", "fleat", "allowedRoots"]),
  bootstrap("is a list", "- fleet\n", ["keys and values"]),
  bootstrap("is empty", "", ["fleet is required"]),
  bootstrap("has a list for a name", "fleet: [web]\n", ["fleet must be"]),
  bootstrap("has a duration without a unit", "fleet: web\nminAgeFloor: 30\n", [
    "minAgeFloor must be",
  ]),
  bootstrap("has a name that no path takes", "fleet: web/eu\n", ["fleet must be"]),
  {
    what: "the bootstrap file is missing",
    exitCode: 2,
    names: ["agent.yaml", "ENOENT"],
    async prepare(host) {
      await rm(host.bootstrap);
      return undefined;
    },
  },
  {
    what: "a variable is unknown",
    exitCode: 2,
    names: ["S3_OFFLOAD_FLEETS", "S3_OFFLOAD_FLEET"],
    options: { env: { S3_OFFLOAD_FLEETS: "web" } },
  },
  {
    what: "there is no region",
    exitCode: 2,
    names: ["region", "AWS_REGION"],
    options: { env: { AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined } },
  },
  {
    what: "there are no credentials",
    exitCode: 3,
    names: ["credentials", "AWS_ACCESS_KEY_ID"],
    options: { env: { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined } },
  },
  {
    what: "the Parameter Store is out of reach",
    exitCode: 3,
    names: ["/s3-offload-agent/fleets/", "ECONNREFUSED"],
    options: { env: { AWS_ENDPOINT_URL_SSM: UNREACHABLE } },
  },
  {
    what: "the Parameter Store refuses",
    exitCode: 3,
    names: ["AccessDeniedException", "ssm:GetParametersByPath"],
    prepare: async () => ({ env: { AWS_ENDPOINT_URL_SSM: await refusingService() } }),
  },
  {
    what: "the fleet has no parameters",
    exitCode: 2,
    names: ["/s3-offload-agent/fleets/nobody/", "put-parameter"],
    options: { env: { S3_OFFLOAD_FLEET: "nobody" } },
  },
  {
    what: "the bucket is not set",
    exitCode: 2,
    names: [/\/s3-offload-agent\/fleets\/[\w-]+\/bucket is required/],
    parameters: { bucket: undefined },
  },
  refused("min-age", "30", "must be a number with a unit"),
  refused("min-age", "soon", "must be a number with a unit"),
  refused("min-age", "-1s", "must be a number with a unit"),
  refused("refresh-interval", "10ms", "must be at least 1s"),
  refused("refresh-interval", "2d", "must be at most 1d"),
  refused("concurrency", "many", "must be a whole number"),
  refused("concurrency", "0", "must be at least 1"),
  refused("concurrency", "1.5", "must be a whole number"),
  refused("schedule", "rate(0 minutes)", "between 1 second"),
  refused("schedule", "rate(5 parsecs)", "must be rate("),
  refused("schedule", "61 * * * *", "61"),
  refused("schedule", "0 0 31 2 *", "never comes due"),
  refused("splay", "far", "must be auto or"),
  refused("timezone", "Mars/Olympus", "IANA"),
  refused("storage-class", "CHEAP", "STANDARD"),
  refused("bucket", "UPPER", "bucket name"),
  refused("bucket-owner", "me", "12 digits"),
  refused("prefix", "/x/", "slash"),
  refused("prefix", "a//b/", "two slashes"),
  refused("prefix", "../x/", "segments"),
  refused("prefix", "{nope}/", "{nope}"),
  refused("prefix", "{host/", "brace"),
  refused("tags", "no-value", "NAME=VALUE"),
  refused("log-level", "loud", "debug"),
  {
    what: "two parameters are wrong at once",
    exitCode: 2,
    names: ["min-age must", "concurrency must"],
    parameters: { "min-age": "x", concurrency: "y" },
  },
  {
    what: "min-age is below the floor of the bootstrap file",
    exitCode: 2,
    names: ["min-age must be at least 30s", "minAgeFloor"],
    parameters: { "min-age": "29s" },
    options: { env: { S3_OFFLOAD_MIN_AGE_FLOOR: "30s" } },
  },
  {
    what: "the bucket is not among the allowed ones",
    exitCode: 2,
    names: ["bucket", "allowedBuckets"],
    options: { env: { S3_OFFLOAD_ALLOWED_BUCKETS: "this:that" } },
  },
  {
    what: "the watched directory is absent",
    exitCode: 2,
    names: ["/nowhere", "does not exist"],
    parameters: { directory: "/nowhere" },
  },
  {
    what: "the watched directory is a file",
    exitCode: 2,
    names: ["is not a directory", "agent.yaml"],
    prepare: async (host) => {
      await host.operator.setParameter("directory", host.bootstrap);
      return { env: { S3_OFFLOAD_ALLOWED_ROOTS: host.folder } };
    },
  },
  {
    what: "the watched directory is outside the allowed roots",
    exitCode: 2,
    names: ["outside the allowed roots", "/watched-2"],
    prepare: async (host) => {
      // Its name begins as an allowed root does.
      await mkdir(`${host.watched}-2`);
      await host.operator.setParameter("directory", `${host.watched}-2`);
      return undefined;
    },
  },
  {
    what: "the watched directory leads outside through a link",
    exitCode: 2,
    names: ["outside the allowed roots", "/watched/link"],
    prepare: async (host) => {
      await symlink(host.folder, join(host.watched, "link"));
      await host.operator.setParameter("directory", join(host.watched, "link"));
      return undefined;
    },
  },
  unusable("unreadable", 0),
  // Readable is not enough: what cannot be removed must not be uploaded in the first place.
  unusable("not writable", 0o555),
  {
    what: "the bucket does not exist",
    exitCode: 3,
    names: ["NoSuchBucket", "data.csv"],
    isOfFile: true,
    parameters: { bucket: "no-such-bucket-anywhere" },
  },
  {
    what: "S3 is out of reach",
    exitCode: 3,
    names: ["ECONNREFUSED", "data.csv"],
    isOfFile: true,
    options: { env: { AWS_ENDPOINT_URL_S3: UNREACHABLE } },
  },
  { what: "the command is unknown", exitCode: 2, names: ["sweeep"], args: ["sweeep"] },
  { what: "the option is unknown", exitCode: 2, names: ["--fast"], args: ["sweep", "--fast"] },
];

describe("bad input", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(async () => {
    for (const server of refusing) server.close();
    await aws.stop();
  });

  for (const wrong of CASES) {
    it(`${wrong.what}: says so, ends with ${wrong.exitCode}, touches no file`, async () => {
      await using host = await makeHost(aws, wrong.parameters);
      const path = await host.write("data.csv", "1,2,3\n");
      const prepared = await wrong.prepare?.(host);
      const options = { ...wrong.options, ...prepared };

      const ended = await host.run(wrong.args ?? ["sweep"], options);

      // A case may have taken it away; the look at the file and the cleaning up need it.
      await chmod(host.watched, 0o700);
      expect(ended.exitCode, ended.stdout + ended.stderr).to.equal(wrong.exitCode);
      // What only a transfer can find out is said of the file, on standard output.
      const said = wrong.isOfFile === true ? ended.stdout : ended.stderr;
      expect(said).to.include(wrong.isOfFile === true ? "FAILED" : "way out: ");
      for (const name of wrong.names) {
        if (typeof name === "string") expect(said).to.include(name);
        else expect(said).to.match(name);
      }
      expect(await readFile(path, "utf8")).to.equal("1,2,3\n");
      expect([...(await host.operator.readObjects())]).to.deep.equal([]);
    });
  }

  it("the daemon says it in its records and does nothing, until it is mended", async () => {
    await using host = await makeHost(aws, { schedule: "never" });
    await host.write("data.csv", "1,2,3\n");
    await using agent = host.start();
    const refused = await agent.next(({ event }) => event === "config.refused");
    expect(refused["message"]).to.include(`/s3-offload-agent/fleets/${host.fleet}/schedule`);
    expect(refused["hint"]).to.include("put-parameter");
    await host.operator.setParameter("schedule", "rate(1 second)");
    agent.kill("SIGHUP");
    await agent.next(({ event }) => event === "file.removed");
  });

  it("with --json the error is a record, too", async () => {
    await using host = await makeHost(aws, { concurrency: "many" });
    const { stdout } = await host.run(["sweep", "--json"]);
    const [failed] = recordsOf(stdout);
    expect(failed).to.include({ event: "agent.failed", exitCode: 2 });
  });
});

const refusing: ReturnType<typeof createServer>[] = [];

/** A service that refuses as the Parameter Store does. @returns its endpoint */
async function refusingService(): Promise<string> {
  const server = createServer((_, response) => {
    response.writeHead(400, { "content-type": "application/x-amz-json-1.1" });
    response.end(JSON.stringify({ __type: "AccessDeniedException", message: "not authorized" }));
  });
  refusing.push(server);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
