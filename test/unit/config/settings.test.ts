import { expect } from "chai";
import fc from "fast-check";
import type { Bootstrap } from "../../../src/config/bootstrap.ts";
import { loadConfig, resolveConfig } from "../../../src/config/load.ts";
import { mergeParameters, type Parameter } from "../../../src/config/parameters.ts";
import {
  SETTING_NAMES,
  type SettingName,
  settingsSchema,
  validateSettings,
} from "../../../src/config/schema.ts";
import { AgentError } from "../../../src/lib/errors.ts";

const FLEET = "/root/fleets/web";
const HOST = "/root/hosts/h1";

const BOOTSTRAP: Bootstrap = {
  fleet: "web",
  region: undefined,
  hostId: "h1",
  parameterRoot: "/root",
  allowedRoots: ["/data"],
  allowedBuckets: undefined,
  stateDirectory: "/state",
  credentials: { kind: "auto" },
  allowImdsV1: false,
  roleArn: undefined,
  allowOverwrite: true,
  minAgeFloorMs: 0,
};

/** For every setting a good value that is not its default, and a bad one with what is said of it. */
const SETTINGS: Readonly<
  Record<SettingName, readonly (readonly [good: string, bad: string, says: string])[]>
> = {
  bucket: [
    ["my.bucket-1", "My_Bucket", "must be a bucket name"],
    ["arn:aws:s3:eu-west-1:123456789012:accesspoint/ap", "ab", "must be a bucket name"],
    ["a1b", "a..b", "must be a bucket name"],
  ],
  prefix: [
    ["logs/{fleet}/{yyyy}/", "{year}/", "unknown placeholder {year}"],
    ["", "/logs", "must not start with a slash"],
  ],
  schedule: [["cron(0 12 ? * 2-6 *)", "every day", "rate(N seconds|minutes|hours|days)"]],
  splay: [["90s", "90", "must be auto or"]],
  timezone: [["Europe/Berlin", "Mars/Olympus", "Europe/Berlin"]],
  directory: [["relative/path", "", "must be a path"]],
  "min-age": [["45s", "45", "a number with a unit"]],
  include: [["*.log", "*.log,,*.csv", "none of them empty"]],
  exclude: [["*.tmp", "", "none of them empty"]],
  "on-conflict": [["overwrite", "replace", "must be one of"]],
  concurrency: [
    ["256", "257", "must be at most 256"],
    ["1", "0", "must be at least 1"],
    ["9", "1.5", "must be a whole number"],
  ],
  "quarantine-after": [
    ["0", "-1", "must be a whole number"],
    ["1000000", "1000001", "must be at most 1000000"],
  ],
  "storage-class": [["GLACIER_IR", "glacier", "must be one of"]],
  "kms-key-id": [["alias/my-key", "my key", "KMS key"]],
  tags: [["team=data,cost=a=b", "team", "NAME=VALUE"]],
  "bucket-owner": [["123456789012", "12345678901", "12 digits"]],
  "file-events": [["failures", "some", "must be one of"]],
  "log-level": [["debug", "trace", "must be one of"]],
  "refresh-interval": [
    ["1h", "1", "a number with a unit"],
    ["1s", "999ms", "must be at least 1s"],
    ["24h", "25h", "must be at most 1d"],
  ],
};

const TABLE = SETTING_NAMES.flatMap((name) =>
  SETTINGS[name].map(([good, bad, says]) => ({ name, good, bad, says })),
);

function parametersOf(path: string, values: Readonly<Record<string, string>>): Parameter[] {
  return Object.entries(values).map(([leaf, value]) => ({
    name: `${path}/${leaf}`,
    type: "String",
    value,
  }));
}

function resolve(values: Readonly<Record<string, string>>, bootstrap: Partial<Bootstrap> = {}) {
  const all = { bucket: "data", ...values };
  return resolveConfig(
    [{ origin: "fleet", path: FLEET, parameters: parametersOf(FLEET, all) }],
    { ...BOOTSTRAP, ...bootstrap },
    0,
  );
}

describe("each setting", () => {
  for (const { name, good, bad, says } of TABLE) {
    it(`${name} takes ${good} and refuses ${JSON.stringify(bad)} by its full name`, () => {
      expect(resolve({ [name]: good }).hash).not.to.equal(resolve({}).hash);
      expect(() => resolve({ [name]: bad }))
        .to.throw(AgentError, says)
        .with.property("exitCode", 2);
      expect(() => resolve({ [name]: bad })).to.throw(`${FLEET}/${name} `);
    });

    it(`${name} set to ${good} has the same hash at every reading, wherever it was set`, () => {
      const ofHost = resolveConfig(
        [
          { origin: "fleet", path: FLEET, parameters: parametersOf(FLEET, { bucket: "data" }) },
          { origin: "host", path: HOST, parameters: parametersOf(HOST, { [name]: good }) },
        ],
        BOOTSTRAP,
        99,
      );
      expect(ofHost.hash).to.equal(resolve({ [name]: good }).hash);
      expect(ofHost.origins[name]).to.equal("host");
    });
  }

  for (const name of SETTING_NAMES.filter((one) => settingsSchema[one].default !== null)) {
    it(`${name} has a default that passes when a person writes it`, () => {
      const written = { bucket: "data", [name]: String(settingsSchema[name].default) };
      expect(validateSettings(written)).to.deep.equal(validateSettings({ bucket: "data" }));
      expect(validateSettings(written)).to.have.property("settings");
    });
  }
});

describe("resolveConfig", () => {
  const anyBad = fc.subarray(
    TABLE.filter(({ name }) => name !== "schedule"),
    { minLength: 1 },
  );

  it("names every wrong setting at once, and none that is right", () => {
    fc.assert(
      fc.property(anyBad, (rows) => {
        const values = Object.fromEntries(rows.map(({ name, bad }) => [name, bad]));
        let message = "";
        try {
          resolve(values);
        } catch (error) {
          message = String(error);
        }
        const named = SETTING_NAMES.filter((name) => message.includes(`${FLEET}/${name} `));
        expect(named.toSorted()).to.deep.equal(Object.keys(values).toSorted());
      }),
    );
  });

  it("names what the bootstrap file forbids together with a wrong schedule", () => {
    const values = { "min-age": "29s", schedule: "never" };
    const guard = { minAgeFloorMs: 30_000, allowedBuckets: ["other"] };
    for (const name of ["min-age", "schedule", "bucket"]) {
      expect(() => resolve(values, guard)).to.throw(`${FLEET}/${name} `);
    }
  });

  it("says that the bucket is not set, by the parameter that would set it", () => {
    const empty = [{ origin: "fleet" as const, path: FLEET, parameters: [] }];
    expect(() => resolveConfig(empty, BOOTSTRAP, 0)).to.throw(`${FLEET}/bucket is required`);
  });

  it("takes a min-age at the floor and refuses one below it", () => {
    const at = (minAge: string) => () => resolve({ "min-age": minAge }, { minAgeFloorMs: 30_000 });
    expect(at("30s")()).to.have.nested.property("settings.min-age", 30_000);
    expect(at("29999ms")).to.throw(AgentError, "minAgeFloor");
  });

  it("takes every bucket where none is named, and only those that are", () => {
    expect(resolve({}).settings.bucket).to.equal("data");
    expect(resolve({}, { allowedBuckets: ["x", "data"] }).settings.bucket).to.equal("data");
    expect(() => resolve({}, { allowedBuckets: ["dat", "data2"] })).to.throw("allowedBuckets");
  });

  it("keeps a glob with braces whole", () => {
    const lists: readonly (readonly [text: string, globs: readonly string[]])[] = [
      ["*.log", ["*.log"]],
      ["*.log,*.csv", ["*.log", "*.csv"]],
      [" *.log , *.csv ", ["*.log", "*.csv"]],
      ["*.{log,csv}", ["*.{log,csv}"]],
      ["a/*.{log,csv},b/{x,y}/**,c", ["a/*.{log,csv}", "b/{x,y}/**", "c"]],
    ];
    for (const [text, globs] of lists) {
      expect(resolve({ include: text }).settings.include).to.deep.equal(globs);
      expect(resolve({ exclude: text }).settings.exclude).to.deep.equal(globs);
    }
  });

  it("leaves unknown parameters out of the hash, so that a newer fleet changes no older host", () => {
    const config = resolve({ "from-the-future": "1" });
    expect(config.hash).to.equal(resolve({}).hash);
    expect(config.unknownParameters).to.deep.equal([`${FLEET}/from-the-future`]);
  });
});

describe("mergeParameters", () => {
  it("gives each setting the value, origin and source of the last layer that has it", () => {
    const names = ["bucket", "prefix", "tags", "include"] as const;
    const anyLayer = fc.dictionary(fc.constantFrom(...names), fc.string());
    fc.assert(
      fc.property(anyLayer, anyLayer, (fleet, host) => {
        const merged = mergeParameters([
          { origin: "fleet", path: FLEET, parameters: parametersOf(FLEET, fleet) },
          { origin: "host", path: HOST, parameters: parametersOf(HOST, host) },
        ]);
        for (const name of names) {
          const isHost = Object.hasOwn(host, name);
          const isSet = isHost || Object.hasOwn(fleet, name);
          expect(merged.values[name]).to.equal(isHost ? host[name] : fleet[name]);
          const path = isHost ? HOST : FLEET;
          expect(merged.origins[name]).to.equal(isSet ? (isHost ? "host" : "fleet") : undefined);
          expect(merged.sources[name]).to.equal(isSet ? `${path}/${name}` : undefined);
        }
      }),
    );
  });
});

describe("loadConfig", () => {
  it("says how to make a fleet that has no parameters", async () => {
    const source = { readPath: async () => [] };
    const refusal = await loadConfig(source, BOOTSTRAP, {
      signal: new AbortController().signal,
      now: () => 0,
    }).catch((error: unknown) => error);
    expect(refusal).to.be.instanceOf(AgentError);
    expect(refusal).to.have.property("exitCode", 2);
    expect(refusal).to.have.property("message").that.includes(`${FLEET}/`);
    expect(refusal).to.have.property("hint").that.includes(`--name ${FLEET}/bucket`);
  });
});
