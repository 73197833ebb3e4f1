import { expect } from "chai";
import fc from "fast-check";
import { configOf, refusalText } from "../../../src/config/config.ts";
import { LAYERS, type Layer, mergeParameters } from "../../../src/config/merge.ts";
import { parameterPaths } from "../../../src/config/parameters.ts";
import { HOST_SETTING_NAMES } from "../../../src/config/schema.ts";
import { AgentError } from "../../../src/lib/errors.ts";
import {
  goodConfig,
  type Leaves,
  PATHS,
  parameterSet,
  problemsOf,
  resolveWritten,
  settingsOf,
} from "../../support/parameter-sets.ts";

const BUCKET = { bucket: "data" };
const EVERYONE = { "canary/percent": "100" };

/** Where each layer keeps a leaf. */
const WHERE: Readonly<Record<Exclude<Layer, "default">, (leaf: string) => string>> = {
  fleet: (leaf) => `${PATHS.fleet}/${leaf}`,
  canary: (leaf) => `${PATHS.fleet}/canary/${leaf}`,
  host: (leaf) => `${PATHS.host}/${leaf}`,
};

describe("layers", () => {
  const written = fc.record({
    fleet: fc.option(fc.integer({ min: 1, max: 256 }), { nil: undefined }),
    canary: fc.option(fc.integer({ min: 1, max: 256 }), { nil: undefined }),
    host: fc.option(fc.integer({ min: 1, max: 256 }), { nil: undefined }),
  });
  const textOf = (value: number | undefined) => value?.toString();

  it("lie over each other: the last one that says something counts, and is told as the origin", () => {
    fc.assert(
      fc.property(written, written, fc.boolean(), (top, own, isCanary) => {
        const config = goodConfig({
          fleet: {
            ...BUCKET,
            "canary/percent": isCanary ? "100" : "0",
            concurrency: textOf(top.fleet),
            "canary/concurrency": textOf(top.canary),
            "routes/raw/directory": "/data/raw",
            "routes/raw/concurrency": textOf(own.fleet),
            "canary/routes/raw/concurrency": textOf(own.canary),
          },
          host: { concurrency: textOf(top.host), "routes/raw/concurrency": textOf(own.host) },
        });
        const lastOf = (values: typeof top, leaf: string) => {
          for (const layer of ["host", "canary", "fleet"] as const) {
            const value = values[layer];
            if (value === undefined || (layer === "canary" && !isCanary)) continue;
            return { value, origin: { layer, parameter: WHERE[layer](leaf) } };
          }
          return undefined;
        };
        const ofTop = lastOf(top, "concurrency") ?? {
          value: 8,
          origin: { layer: "default", parameter: undefined },
        };
        // A route's own value of any layer wins over the top level's of any other.
        const ofRoute = lastOf(own, "routes/raw/concurrency") ?? ofTop;
        for (const [name, expected] of [
          ["default", ofTop],
          ["raw", ofRoute],
        ] as const) {
          expect(settingsOf(config, name).concurrency).to.equal(expected.value);
          const route = config.routes.find((one) => one.name === name);
          expect(route?.origins.concurrency).to.deep.equal(expected.origin);
        }
        expect(config.cohort).to.equal(isCanary ? "canary" : "stable");
      }),
    );
  });

  it("are of the whole host, too, where a setting is", () => {
    const { settings, origins } = goodConfig({
      fleet: { ...BUCKET, ...EVERYONE, "log-level": "warn", "canary/refresh-interval": "1h" },
      host: { "file-events": "failures" },
    });
    expect(settings).to.deep.equal({
      "bandwidth-limit": 0,
      "file-events": "failures",
      "file-events-percent": 100,
      "log-level": "warn",
      "log-spool-limit": 134_217_728,
      "refresh-interval": 3_600_000,
    });
    expect(HOST_SETTING_NAMES.map((name) => origins[name].layer)).to.deep.equal([
      "default",
      "host",
      "default",
      "fleet",
      "default",
      "canary",
    ]);
    expect(LAYERS).to.deep.equal(["default", "fleet", "canary", "host"]);
  });

  it("of a host put right what the fleet got wrong", () => {
    const fleet = { ...BUCKET, concurrency: "eight" };
    expect(settingsOf(goodConfig({ fleet, host: { concurrency: "8" } })).concurrency).to.equal(8);
  });

  it("of canaries do nothing to a host that is none, however wrong they are", () => {
    const wrong: Leaves = {
      "canary/concurrency": "eight",
      "canary/prefix": "/../",
      "canary/routes/raw/min-age": "1",
      "canary/routes/Raw/prefix": "x/",
      "canary/routes/raw/log-level": "debug",
      "canary/unknown": "x",
    };
    const types = { "fleet/canary/prefix": "SecureString" };
    const before = goodConfig({ fleet: BUCKET });
    const after = goodConfig({ fleet: { ...BUCKET, ...wrong }, types });
    expect({ ...after, unknown: [] }).to.deep.equal(before);
    expect(after.unknown.map(({ parameter }) => parameter)).to.have.members([
      `${PATHS.fleet}/canary/routes/Raw/prefix`,
      `${PATHS.fleet}/canary/routes/raw/log-level`,
      `${PATHS.fleet}/canary/unknown`,
    ]);
    const refused = problemsOf({ fleet: { ...BUCKET, ...EVERYONE, ...wrong }, types });
    expect(refused.map(({ parameter }) => parameter)).to.include.members(
      Object.keys(wrong)
        .filter((leaf) => leaf !== "canary/unknown")
        .map((leaf) => `${PATHS.fleet}/${leaf}`),
    );
  });

  it("leave each setting the value, origin and whole name of the last one, whatever the texts are", () => {
    const names = ["bucket", "prefix", "tags", "exclude"] as const;
    const layer = fc.dictionary(fc.constantFrom(...names), fc.string({ unit: "binary" }), {
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(layer, layer, (fleet, host) => {
        const { top } = mergeParameters(parameterSet({ fleet, host }), PATHS, "stable");
        for (const name of names) {
          const which = name in host ? "host" : name in fleet ? "fleet" : undefined;
          expect(top.values[name]).to.equal(which === "host" ? host[name] : fleet[name]);
          expect(top.origins[name]).to.deep.equal(
            which && { layer: which, parameter: WHERE[which](name) },
          );
        }
      }),
    );
  });
});

describe("a refusal", () => {
  it("tells all that is wrong at once: values, routes, and what the bootstrap file forbids", () => {
    const problems = problemsOf(
      {
        fleet: {
          bucket: "elsewhere",
          "min-age": "1s",
          concurrency: "eight",
          "on-conflict": "overwrite",
          splay: "1h",
          "expected-hosts": "many",
          "routes/Raw/prefix": "x/",
        },
        host: { "log-level": "loud" },
      },
      { allowedBuckets: ["data"] },
    );
    expect(problems.map(({ parameter }) => parameter)).to.have.members([
      ...["bucket", "min-age", "concurrency", "on-conflict", "splay", "expected-hosts"].map(
        (leaf) => `${PATHS.fleet}/${leaf}`,
      ),
      `${PATHS.fleet}/routes/Raw/prefix`,
      `${PATHS.host}/log-level`,
    ]);
  });

  it("tells a parameter once, however many routes inherit it", () => {
    const routes = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`routes/r${index}/directory`, `/data/${index}`]),
    );
    const problems = problemsOf({ fleet: { ...BUCKET, ...routes, concurrency: "eight" } });
    expect(problems.map(({ parameter }) => parameter)).to.deep.equal([
      `${PATHS.fleet}/concurrency`,
    ]);
  });

  it("is an error for a person that names twenty, and how many more", () => {
    const values = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`routes/r${index}/prefix`, "/"]),
    );
    const refused = resolveWritten({ fleet: { ...BUCKET, ...values } });
    if (!("problems" in refused)) throw new Error("was not refused");
    const text = refusalText(refused.problems);
    expect(text.match(/must not start with a slash/g)).to.have.length(20);
    expect(text).to.match(/; and 10 more\.$/);
    expect(() => configOf(refused))
      .to.throw(AgentError, text)
      .with.property("exitCode", 2);
  });

  it("is none for a good configuration, which is handed out as it is", () => {
    const resolved = resolveWritten({ fleet: BUCKET });
    expect(configOf(resolved)).to.equal("config" in resolved ? resolved.config : undefined);
  });
});

describe("what the bootstrap file allows", () => {
  it("is taken: its buckets, its floor and overwriting", () => {
    const fleet = { bucket: "one", "min-age": "5s", "on-conflict": "overwrite" };
    const allowed = { allowedBuckets: ["two", "one"], minAgeFloorMs: 5_000, allowOverwrite: true };
    expect(settingsOf(goodConfig({ fleet }, allowed))).to.include({
      bucket: "one",
      "min-age": 5_000,
      "on-conflict": "overwrite",
    });
  });

  it("is asked of each route, not of the top level that no route is", () => {
    const fleet = { "min-age": "5s", "routes/a/bucket": "data", "routes/a/min-age": "30s" };
    const config = goodConfig({ fleet: { ...fleet, "routes/a/directory": "/data/a" } });
    expect(config.routes.map(({ name }) => name)).to.deep.equal(["a"]);
  });
});

describe("the paths of parameters", () => {
  it("are the fleet's and the host's below the root", () => {
    expect(parameterPaths({ parameterRoot: "/root", fleet: "web", hostId: "h1" })).to.deep.equal(
      PATHS,
    );
  });
});
