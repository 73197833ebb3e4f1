import { expect } from "chai";
import fc from "fast-check";
import { configOf, refusalText } from "../../../src/config/config.ts";
import { LAYERS, type Layer, mergeParameters, placeOf, TOP } from "../../../src/config/merge.ts";
import { parameterPaths } from "../../../src/config/parameters.ts";
import {
  FLEET_PARAMETERS,
  HOST_SETTING_NAMES,
  ROUTE_SETTING_NAMES,
  SETTING_NAMES,
} from "../../../src/config/schema.ts";
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
      "log-level": "warn",
      "refresh-interval": 3_600_000,
    });
    expect(HOST_SETTING_NAMES.map((name) => origins[name].layer)).to.deep.equal([
      "default",
      "host",
      "fleet",
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

describe("routes", () => {
  const raw = { "routes/raw/directory": "/data/raw" };
  const namesOf = (fleet: Leaves, host: Leaves = {}) =>
    goodConfig({ fleet, host }).routes.map(({ name, isImplied }) =>
      isImplied ? `${name}?` : name,
    );

  it("are one, the top level, where none is named", () => {
    expect(namesOf(BUCKET)).to.deep.equal(["default"]);
    expect(namesOf({ ...BUCKET, directory: "/data" })).to.deep.equal(["default"]);
  });

  it("inherit every setting of the top level that they do not set", () => {
    const top = { prefix: "p/", schedule: "rate(1 hour)", exclude: "none", tags: "a=b" };
    const config = goodConfig({ fleet: { ...BUCKET, ...top, ...raw, "routes/raw/prefix": "r/" } });
    expect(settingsOf(config, "raw")).to.deep.equal({
      ...settingsOf(config),
      directory: "/data/raw",
      prefix: "r/",
    });
    expect(config.routes.map(({ schedule }) => schedule.kind)).to.deep.equal(["rate", "rate"]);
    expect(Object.keys(settingsOf(config, "raw"))).to.deep.equal(ROUTE_SETTING_NAMES);
  });

  it("keep their own schedule, time zone and splay", () => {
    const own = { "routes/raw/schedule": "0 3 * * *", "routes/raw/timezone": "Europe/Berlin" };
    const { routes } = goodConfig({ fleet: { ...BUCKET, splay: "5m", ...raw, ...own } });
    expect(routes[1]?.schedule).to.deep.equal({
      kind: "cron",
      pattern: "0 3 * * *",
      timezone: "Europe/Berlin",
      splayMs: 300_000,
    });
  });

  it("leave the top level where it was, as one that nobody wrote down", () => {
    expect(namesOf({ ...BUCKET, ...raw })).to.deep.equal(["default?", "raw"]);
    expect(namesOf({ ...BUCKET }, raw)).to.deep.equal(["default?", "raw"]);
  });

  it("stand beside a top level whose directory is written down, in whichever layer", () => {
    expect(namesOf({ ...BUCKET, ...raw, directory: "/data/top" })).to.deep.equal([
      "default",
      "raw",
    ]);
    expect(namesOf({ ...BUCKET, ...raw }, { directory: "/data/top" })).to.deep.equal([
      "default",
      "raw",
    ]);
  });

  it("need no top level where it has no bucket", () => {
    expect(namesOf({ ...raw, "routes/raw/bucket": "data" })).to.deep.equal(["raw"]);
  });

  it("take the place of the top level where they share out its directory", () => {
    const shared = { "routes/a/directory": "/var/spool/s3-offload/a", ...raw };
    expect(namesOf({ ...BUCKET, ...shared })).to.deep.equal(["a", "raw"]);
    expect(namesOf({ ...BUCKET, "routes/a/directory": "/var/spool/s3-offload" })).to.deep.equal([
      "a",
    ]);
    expect(namesOf({ ...BUCKET, "routes/a/directory": "/var/spool" })).to.deep.equal(["a"]);
    expect(namesOf({ ...BUCKET, "routes/a/directory": "/var/spool/s3-offload-2" })).to.deep.equal([
      "default?",
      "a",
    ]);
  });

  it("come in the order of their names, after the top level", () => {
    const fleet = { ...BUCKET, "routes/b/directory": "/b", "routes/a/directory": "/a", ...raw };
    expect(namesOf(fleet)).to.deep.equal(["default?", "a", "b", "raw"]);
  });

  it("may have the names of the language", () => {
    const fleet = {
      ...BUCKET,
      "routes/constructor/directory": "/data/c",
      "routes/prototype/directory": "/data/p",
    };
    expect(namesOf(fleet)).to.deep.equal(["default?", "constructor", "prototype"]);
  });

  it("do not overlap, by whole names of folders", () => {
    const one = "/data/one";
    const apart = [
      ["/data/one", "/data/one2"],
      ["/data/one", "/data/two"],
      ["/data/one", "data/one"],
      ["one", "two"],
    ];
    for (const [a = one, b = one] of apart) {
      const fleet = { ...BUCKET, "routes/a/directory": a, "routes/b/directory": b };
      expect(namesOf(fleet), `${a} ${b}`).to.deep.equal(["default?", "a", "b"]);
    }
    const name = fc.constantFrom("a", "b", "c");
    const path = fc.array(name, { minLength: 1, maxLength: 4 });
    const decorated = (names: readonly string[], isMessy: boolean) =>
      isMessy ? `//${names.join("/./")}//` : `/${names.join("/")}`;
    fc.assert(
      fc.property(path, path, fc.boolean(), (first, second, isMessy) => {
        const fleet = {
          ...BUCKET,
          "routes/a/directory": decorated(first, isMessy),
          "routes/b/directory": decorated(second, false),
        };
        const isWithin = (inner: readonly string[], outer: readonly string[]) =>
          outer.every((part, index) => inner[index] === part);
        const doOverlap = isWithin(first, second) || isWithin(second, first);
        expect("problems" in resolveWritten({ fleet })).to.equal(doOverlap);
      }),
    );
  });
});

describe("unknown parameters", () => {
  const reported: readonly (readonly [path: "fleet" | "host", leaf: string, says: string])[] = [
    ["fleet", "bukcet", "did you mean bucket?"],
    ["fleet", "Bucket", "did you mean bucket?"],
    ["fleet", "min_age", "did you mean min-age?"],
    ["fleet", "log.level", "did you mean log-level?"],
    ["fleet", "storageclass", "did you mean storage-class?"],
    ["fleet", "revison", "did you mean revision?"],
    ["fleet", "expected-host", "did you mean expected-hosts?"],
    ["fleet", "canary/percnt", "did you mean canary/percent?"],
    ["fleet", "canary/bukcet", "did you mean bucket?"],
    ["fleet", "routes/raw/bukcet", "did you mean bucket?"],
    ["fleet", "canary/routes/raw/prefx", "did you mean prefix?"],
    ["fleet", "routes/raw/deep/prefix", "did you mean prefix?"],
    ["fleet", "routes/raw", "is not known to this version"],
    ["fleet", "routes", "is not known to this version"],
    ["fleet", "from-the-future", "is not known to this version"],
    ["fleet", "x".repeat(2_000), "is not known to this version"],
    ["fleet", "constructor", "is not known to this version"],
    ["fleet", "__proto__", "is not known to this version"],
    ["fleet", "toString", "is not known to this version"],
    ["fleet", "hasOwnProperty", "is not known to this version"],
    ["fleet", "routes/raw/constructor", "is not known to this version"],
    ["fleet", "canary/__proto__", "is not known to this version"],
    ["host", "bukcet", "did you mean bucket?"],
    ["host", "routes/raw/bukcet", "did you mean bucket?"],
    ["host", "canary/prefix", "did you mean prefix?"],
    ["host", "valueOf", "is not known to this version"],
    ["host", "__proto__", "is not known to this version"],
    ["host", "expected-hosts", "is a fleet's, and means nothing below a host"],
    ["host", "canary/percent", "is a fleet's, and means nothing below a host"],
  ];

  for (const [path, leaf, says] of reported) {
    it(`are reported, not refused: ${path}/${leaf.slice(0, 40)}`, () => {
      const own = Object.fromEntries([[leaf, "x"]]);
      const fleet = path === "fleet" ? { ...BUCKET, ...own } : BUCKET;
      const config = goodConfig({ fleet, host: path === "host" ? own : {} });
      expect(config.unknown).to.have.length(1);
      expect(config.unknown[0]?.parameter).to.equal(`${PATHS[path]}/${leaf}`);
      expect(config.unknown[0]?.reason).to.include(says);
      const { routes, settings } = goodConfig({ fleet: BUCKET });
      expect({ routes: config.routes, settings: config.settings }).to.deep.equal({
        routes,
        settings,
      });
    });
  }

  it("are told beside what is wrong, too", () => {
    const refused = resolveWritten({ fleet: { ...BUCKET, bukcet: "x", concurrency: "x" } });
    expect(refused).to.have.nested.property("unknown[0].parameter", `${PATHS.fleet}/bukcet`);
  });

  it("are none of those that there are", () => {
    for (const name of Object.keys(FLEET_PARAMETERS)) {
      expect(placeOf(name, "fleet")).to.deep.equal({ kind: "fleet", name });
    }
    expect(placeOf("revision", "host")).to.deep.equal({ kind: "fleet", name: "revision" });
    for (const setting of SETTING_NAMES) {
      for (const isCanary of [false, true]) {
        expect(placeOf(isCanary ? `canary/${setting}` : setting, "fleet")).to.deep.equal({
          kind: "setting",
          isCanary,
          route: TOP,
          setting,
        });
      }
    }
    for (const setting of ROUTE_SETTING_NAMES) {
      const expected = { kind: "setting", isCanary: false, route: "raw", setting };
      expect(placeOf(`routes/raw/${setting}`, "host")).to.deep.equal(expected);
    }
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
