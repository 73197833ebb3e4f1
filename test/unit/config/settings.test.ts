import { expect } from "chai";
import {
  isRouteSettingName,
  SETTING_NAMES,
  type SettingName,
  type Settings,
  settingsSchema,
} from "../../../src/config/schema.ts";
import { validateSettings } from "../../../src/config/validate.ts";
import { GOOD_VALUES } from "../../support/good-values.ts";
import { goodConfig, type Leaves } from "../../support/parameter-sets.ts";
import { WRONG_VALUES } from "../../support/wrong-configurations.ts";

const ALLOWED = { allowOverwrite: true };

function readAs(name: SettingName, fleet: Leaves, types: Readonly<Record<string, string>> = {}) {
  const config = goodConfig({ fleet: { bucket: "data", ...fleet }, types }, ALLOWED);
  if (isRouteSettingName(name)) return config.routes[0]?.settings[name];
  return (config.settings as Partial<Settings>)[name];
}

describe("each setting", () => {
  for (const name of SETTING_NAMES) {
    it(`${name} reads ${GOOD_VALUES[name].map(([text]) => JSON.stringify(text).slice(0, 40)).join(" ")}`, () => {
      for (const [text, value] of GOOD_VALUES[name]) {
        expect(readAs(name, { [name]: text }), text).to.deep.equal(value);
      }
    });
  }

  it("has a row of wrong values for each", () => {
    expect(new Set(WRONG_VALUES.map(([leaf]) => leaf))).to.deep.equal(new Set(SETTING_NAMES));
  });

  it("has a default that is good and the same when a person writes it", () => {
    for (const name of SETTING_NAMES.filter((one) => settingsSchema[one].default !== null)) {
      const written = { bucket: "data", [name]: String(settingsSchema[name].default) };
      expect(validateSettings(written), name).to.deep.equal(validateSettings({ bucket: "data" }));
    }
  });

  it("has the default that is promised", () => {
    const validated = validateSettings({ bucket: "data" });
    expect(validated).to.deep.equal({
      settings: {
        bucket: "data",
        prefix: "{host}/",
        schedule: "rate(10 minutes)",
        splay: "auto",
        timezone: "UTC",
        directory: "/var/spool/s3-offload",
        "min-age": 30_000,
        include: ["**"],
        exclude: ["tmp", "temp", "part", "partial", "filepart", "swp"]
          .map((ending) => `**/*.${ending}`)
          .concat("**/*~"),
        "on-conflict": "suffix",
        concurrency: 8,
        "quarantine-after": 10,
        "storage-class": "STANDARD",
        "kms-key-id": "",
        tags: [],
        "bucket-owner": "",
        "bandwidth-limit": 0,
        "file-events": "all",
        "file-events-percent": 100,
        "log-level": "info",
        "log-spool-limit": 134_217_728,
        "refresh-interval": 600_000,
      },
    });
  });
});

describe("a StringList", () => {
  it("is a list where the setting is one of globs, and its own text elsewhere", () => {
    const list = (leaf: string) => ({ [`fleet/${leaf}`]: "StringList" });
    expect(readAs("include", { include: "*.log, *.csv" }, list("include"))).to.deep.equal([
      "*.log",
      "*.csv",
    ]);
    expect(readAs("exclude", { exclude: "none" }, list("exclude"))).to.deep.equal([]);
    expect(readAs("tags", { tags: "a=b,c=d" }, list("tags"))).to.deep.equal([
      ["a", "b"],
      ["c", "d"],
    ]);
    expect(readAs("schedule", { schedule: "0,30 * * * *" }, list("schedule"))).to.equal(
      "0,30 * * * *",
    );
  });
});
