import { expect } from "chai";
import fc from "fast-check";
import { ROUTE_SETTING_NAMES } from "../../../src/config/schema.ts";
import {
  goodConfig,
  type Leaves,
  resolveWritten,
  settingsOf,
} from "../../support/parameter-sets.ts";

const BUCKET = { bucket: "data" };

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
