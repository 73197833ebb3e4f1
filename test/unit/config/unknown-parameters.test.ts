import { expect } from "chai";
import { placeOf, TOP } from "../../../src/config/merge.ts";
import {
  FLEET_PARAMETERS,
  ROUTE_SETTING_NAMES,
  SETTING_NAMES,
} from "../../../src/config/schema.ts";
import { goodConfig, PATHS, resolveWritten } from "../../support/parameter-sets.ts";

const BUCKET = { bucket: "data" };

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
