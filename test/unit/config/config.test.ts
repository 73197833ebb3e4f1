import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Bootstrap, readBootstrap } from "../../../src/config/bootstrap.ts";
import { loadConfig, resolveConfig } from "../../../src/config/load.ts";
import { mergeParameters, type Parameter } from "../../../src/config/parameters.ts";
import { SETTING_NAMES, settingsSchema, validateSettings } from "../../../src/config/schema.ts";
import { AgentError } from "../../../src/lib/errors.ts";

const FLEET = "/s3-offload-agent/fleets/web";
const HOST = "/s3-offload-agent/hosts/h1";

const bootstrap: Bootstrap = {
  fleet: "web",
  region: undefined,
  hostId: "h1",
  parameterRoot: "/s3-offload-agent",
  allowedRoots: ["/data"],
  allowedBuckets: undefined,
  stateDirectory: "/state",
  credentials: { kind: "auto" },
  allowImdsV1: false,
  roleArn: undefined,
  allowOverwrite: false,
  minAgeFloorMs: 30_000,
};

const parameters = (
  path: string,
  values: Readonly<Record<string, string>>,
  type = "String",
): Parameter[] =>
  Object.entries(values).map(([leaf, value]) => ({ name: `${path}/${leaf}`, type, value }));

function resolve(
  values: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>> = {},
) {
  const layers = [
    { origin: "fleet" as const, path: FLEET, parameters: parameters(FLEET, values) },
    { origin: "host" as const, path: HOST, parameters: parameters(HOST, own) },
  ];
  return resolveConfig(layers, bootstrap, 0);
}

function refusalOf(action: () => unknown): AgentError {
  try {
    action();
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error("was not refused");
}

describe("parameters", () => {
  it("a later layer wins, setting by setting, and each value's origin is kept", () => {
    const { settings, origins } = resolve(
      { bucket: "data", prefix: "fleet/", concurrency: "4" },
      { prefix: "host/" },
    );
    expect(settings).to.include({ bucket: "data", prefix: "host/", concurrency: 4 });
    expect(origins).to.include({
      bucket: "fleet",
      prefix: "host",
      concurrency: "fleet",
      timezone: "default",
    });
  });

  it("unknown names are reported in full, nested ones too, and change nothing", () => {
    const config = resolve({ bucket: "data", bukcet: "x", "canary/prefix": "y" });
    expect(config.unknownParameters).to.deep.equal([`${FLEET}/bukcet`, `${FLEET}/canary/prefix`]);
    expect(config.hash).to.equal(resolve({ bucket: "data" }).hash);
  });

  it("names of the language are names like any other", () => {
    const config = resolve({ bucket: "data", constructor: "x", __proto__: "y", toString: "z" });
    expect(config.unknownParameters).to.include(`${FLEET}/constructor`);
    expect(config.unknownParameters).to.include(`${FLEET}/toString`);
  });

  it("takes a StringList as a list", () => {
    const list = parameters(FLEET, { include: "*.log,*.csv" }, "StringList");
    const { values } = mergeParameters([{ origin: "fleet", path: FLEET, parameters: list }]);
    expect(values.include).to.deep.equal(["*.log", "*.csv"]);
  });
});

describe("settings", () => {
  it("have defaults that are valid", () => {
    expect(validateSettings({ bucket: "data" })).to.have.property("settings");
    expect(SETTING_NAMES).to.have.length(Object.keys(settingsSchema).length);
  });

  it("have the defaults that are promised", () => {
    expect(resolve({ bucket: "data" }).settings).to.deep.include({
      prefix: "{host}/",
      schedule: "rate(10 minutes)",
      directory: "/var/spool/s3-offload",
      "min-age": 30_000,
      include: ["**"],
      "refresh-interval": 600_000,
    });
  });

  it("split globs at commas, but not within braces", () => {
    const { include } = resolve({ bucket: "data", include: "*.{log,csv}, sub/**" }).settings;
    expect(include).to.deep.equal(["*.{log,csv}", "sub/**"]);
  });

  it("read tags as pairs", () => {
    expect(resolve({ bucket: "data", tags: "team=a, cost=b=c" }).settings.tags).to.deep.equal([
      ["team", "a"],
      ["cost", "b=c"],
    ]);
  });

  it("read tags from a list, and refuse what S3 would refuse", () => {
    const tags = (values: string, type = "String") =>
      resolveConfig(
        [
          { origin: "fleet", path: FLEET, parameters: parameters(FLEET, { bucket: "data" }) },
          { origin: "host", path: HOST, parameters: parameters(HOST, { tags: values }, type) },
        ],
        bootstrap,
        0,
      ).settings.tags;
    expect(tags("a=b,c=d", "StringList")).to.deep.equal([
      ["a", "b"],
      ["c", "d"],
    ]);
    expect(() => tags("a", "StringList")).to.throw("NAME=VALUE");
    expect(() => tags("a=b,a=c")).to.throw("twice");
    expect(() => tags("aws:x=1")).to.throw("aws:");
  });

  it("are refused together, each by its parameter's full name", () => {
    const { message, exitCode } = refusalOf(() =>
      resolve({ bucket: "B", "min-age": "30" }, { concurrency: "x" }),
    );
    expect(exitCode).to.equal(2);
    expect(message).to.include(`${FLEET}/bucket must`);
    expect(message).to.include(`${FLEET}/min-age must`);
    expect(message).to.include(`${HOST}/concurrency must`);
  });

  it("never let min-age go below the floor", () => {
    expect(refusalOf(() => resolve({ bucket: "data", "min-age": "29999ms" })).message).to.include(
      "minAgeFloor",
    );
    expect(resolve({ bucket: "data", "min-age": "30s" }).settings["min-age"]).to.equal(30_000);
  });

  it("only take allowed buckets", () => {
    const guarded = { ...bootstrap, allowedBuckets: ["one"] };
    const layer = (bucket: string) => [
      { origin: "fleet" as const, path: FLEET, parameters: parameters(FLEET, { bucket }) },
    ];
    expect(resolveConfig(layer("one"), guarded, 0).settings.bucket).to.equal("one");
    expect(() => resolveConfig(layer("two"), guarded, 0)).to.throw("allowedBuckets");
  });

  it("have a hash that tells every difference and nothing else", () => {
    const base = resolve({ bucket: "data" }).hash;
    expect(resolve({}, { bucket: "data" }).hash).to.equal(base);
    expect(resolve({ bucket: "data", concurrency: "8" }).hash).to.equal(base);
    for (const other of [
      { bucket: "date" },
      { bucket: "data", concurrency: "9" },
      { bucket: "data", tags: "a=b" },
    ]) {
      expect(resolve(other).hash).not.to.equal(base);
    }
  });
});

describe("loadConfig", () => {
  it("asks for the fleet's and the host's path, and for nothing else", async () => {
    const asked: string[] = [];
    const source = {
      async readPath(path: string) {
        asked.push(path);
        return path === FLEET ? parameters(FLEET, { bucket: "data" }) : [];
      },
    };
    const options = { signal: new AbortController().signal, now: () => 42 };
    const config = await loadConfig(source, bootstrap, options);
    expect(asked).to.deep.equal([FLEET, HOST]);
    expect(config.readAt).to.equal(42);
  });
});

describe("readBootstrap", () => {
  const read = async (text: string, env: Record<string, string> = {}) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "bootstrap-"));
    const file = join(folder.path, "agent.yaml");
    await writeFile(file, text);
    return readBootstrap({ file, env });
  };

  it("needs no more than a fleet, and fills in the rest", async () => {
    expect(await read("fleet: web\n")).to.deep.equal({
      ...bootstrap,
      hostId: undefined,
      allowedRoots: ["/var/spool/s3-offload"],
      stateDirectory: "/var/lib/s3-offload-agent",
    });
  });

  it("lets variables win over the file; lists are separated by colons there", async () => {
    const env = {
      S3_OFFLOAD_FLEET: "other",
      S3_OFFLOAD_ALLOWED_ROOTS: "/a:/b",
      S3_OFFLOAD_MIN_AGE_FLOOR: "1m",
    };
    const result = await read("fleet: web\nallowedRoots: [/c]\nhostId: h9\n", env);
    expect(result).to.deep.include({
      fleet: "other",
      hostId: "h9",
      allowedRoots: ["/a", "/b"],
      minAgeFloorMs: 60_000,
    });
  });

  it("takes an access point among the allowed buckets of a variable", async () => {
    const arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/data";
    const env = { S3_OFFLOAD_ALLOWED_BUCKETS: `one:${arn}:two` };
    expect((await read("fleet: web\n", env)).allowedBuckets).to.deep.equal(["one", arn, "two"]);
  });

  it("names the line of an unknown key that begins as another one", async () => {
    const error = await read("fleet: web\nfle: x\n").catch((thrown: Error) => thrown);
    expect(error)
      .to.be.instanceOf(AgentError)
      .with.property("message")
      .that.includes("line 2: fle");
  });

  it("needs no file if the variables say enough", () => {
    const env = { S3_OFFLOAD_FLEET: "web", PATH: "/bin" };
    expect(readBootstrap({ file: undefined, env }).fleet).to.equal("web");
  });

  it("takes values as they are written: 007 stays 007, no is a name", async () => {
    expect((await read("fleet: 007\nhostId: no\n")).fleet).to.equal("007");
    expect((await read("fleet: 007\nhostId: no\n")).hostId).to.equal("no");
  });
});
