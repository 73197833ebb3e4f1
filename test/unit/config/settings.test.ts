import { expect } from "chai";
import fc from "fast-check";
import { refusalText } from "../../../src/config/config.ts";
import {
  isRouteSettingName,
  SETTING_NAMES,
  type SettingName,
  type Settings,
  settingsSchema,
} from "../../../src/config/schema.ts";
import { validateSettings } from "../../../src/config/validate.ts";
import {
  goodConfig,
  HOST,
  type Leaves,
  PATHS,
  parameterSet,
  resolveWritten,
} from "../../support/parameter-sets.ts";
import { decidesWithin } from "../../support/regexp-work.ts";
import { WRONG_VALUES } from "../../support/wrong-configurations.ts";

const KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab";
const DAY_MS = 86_400_000;

/** Good texts of every setting that are not its default, with what they are read as. */
const GOOD: { readonly [Name in SettingName]: readonly (readonly [string, Settings[Name]])[] } = {
  bucket: [
    ["my.bucket-1", "my.bucket-1"],
    ["a1b", "a1b"],
    ["a".repeat(63), "a".repeat(63)],
    ["data-abc123-s3alias", "data-abc123-s3alias"],
    ["1.2.3", "1.2.3"],
    [
      "arn:aws:s3:eu-west-1:123456789012:accesspoint/data",
      "arn:aws:s3:eu-west-1:123456789012:accesspoint/data",
    ],
    [
      "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint:data",
      "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint:data",
    ],
  ],
  prefix: [
    ["logs/{fleet}/{yyyy}/{MM}/{dd}/{HH}/{host}/", "logs/{fleet}/{yyyy}/{MM}/{dd}/{HH}/{host}/"],
    ["none", ""],
    [" none\n", ""],
    ["none/", "none/"],
    ["web-", "web-"],
    ["a b/ü/日本/...x/", "a b/ü/日本/...x/"],
    [`${"x".repeat(511)}/`, `${"x".repeat(511)}/`],
  ],
  schedule: [
    ["rate(1 second)", "rate(1 second)"],
    ["rate( 366 days )\n", "rate( 366 days )\n"],
    ["cron(0 12 ? * 2-6 *)", "cron(0 12 ? * 2-6 *)"],
    ["*/5 8-18 * * MON-FRI", "*/5 8-18 * * MON-FRI"],
    ["0 0 L * *", "0 0 L * *"],
  ],
  splay: [
    ["90s", 90_000],
    ["0s", 0],
    ["10m", 600_000],
  ],
  timezone: [
    ["Europe/Berlin", "Europe/Berlin"],
    ["Etc/GMT+5", "Etc/GMT+5"],
    ["+05:30", "+05:30"],
  ],
  directory: [
    ["relative/path", "relative/path"],
    ["/data/with space/ü/", "/data/with space/ü/"],
    ["/data/./x...y", "/data/./x...y"],
    [`/${"x".repeat(4_094)}`, `/${"x".repeat(4_094)}`],
  ],
  "min-age": [
    ["45s", 45_000],
    ["0.75m", 45_000],
    [" 45 s\n", 45_000],
    ["30000ms", 30_000],
    ["30d", 30 * DAY_MS],
  ],
  include: [
    ["*.log", ["*.log"]],
    [" *.log , *.csv\n", ["*.log", "*.csv"]],
    ["*.{log,csv}", ["*.{log,csv}"]],
    ["a/*.{log,csv},b/{x,y}/**,c", ["a/*.{log,csv}", "b/{x,y}/**", "c"]],
    ["[(]1[)]*", ["[(]1[)]*"]],
    [Array(100).fill("a").join(","), Array(100).fill("a")],
  ],
  exclude: [
    ["*.tmp", ["*.tmp"]],
    ["none", []],
    [" none\n", []],
  ],
  "on-conflict": [["overwrite", "overwrite"]],
  concurrency: [
    ["256", 256],
    ["1", 1],
    [" 08\n", 8],
  ],
  "quarantine-after": [
    ["0", 0],
    ["1000000", 1_000_000],
  ],
  "storage-class": [["GLACIER_IR", "GLACIER_IR"]],
  "kms-key-id": [
    ["alias/my-key", "alias/my-key"],
    [KEY_ID, KEY_ID],
    [
      `arn:aws:kms:eu-west-1:123456789012:key/${KEY_ID}`,
      `arn:aws:kms:eu-west-1:123456789012:key/${KEY_ID}`,
    ],
    [`mrk-${"0123456789abcdef".repeat(2)}`, `mrk-${"0123456789abcdef".repeat(2)}`],
    [
      "arn:aws-cn:kms:cn-north-1:123456789012:alias/my/key",
      "arn:aws-cn:kms:cn-north-1:123456789012:alias/my/key",
    ],
  ],
  tags: [
    [
      "team=data, cost = a=b,empty=",
      [
        ["team", "data"],
        ["cost", "a=b"],
        ["empty", ""],
      ],
    ],
    [`${"𝒳".repeat(128)}=${"ü".repeat(256)}`, [["𝒳".repeat(128), "ü".repeat(256)]]],
    ["x aws:y=+-=._:/@ 1", [["x aws:y", "+-=._:/@ 1"]]],
  ],
  "bucket-owner": [["123456789012", "123456789012"]],
  "bandwidth-limit": [
    ["10MiB", 10_485_760],
    ["10MiB/s", 10_485_760],
    ["1024B", 1_024],
    ["1.5GB", 1_500_000_000],
  ],
  "file-events": [["failures", "failures"]],
  "log-level": [
    ["debug", "debug"],
    ["warn", "warn"],
    ["error", "error"],
  ],
  "refresh-interval": [
    ["1s", 1_000],
    ["24h", DAY_MS],
  ],
};

const ALLOWED = { allowOverwrite: true };

function readAs(name: SettingName, fleet: Leaves, types: Readonly<Record<string, string>> = {}) {
  const config = goodConfig({ fleet: { bucket: "data", ...fleet }, types }, ALLOWED);
  if (isRouteSettingName(name)) return config.routes[0]?.settings[name];
  return (config.settings as Partial<Settings>)[name];
}

describe("each setting", () => {
  for (const name of SETTING_NAMES) {
    it(`${name} reads ${GOOD[name].map(([text]) => JSON.stringify(text).slice(0, 40)).join(" ")}`, () => {
      for (const [text, value] of GOOD[name]) {
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
        "log-level": "info",
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

describe("whatever text stands in a parameter", () => {
  const fragment = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 }).map((units) => {
      return String.fromCharCode(...units);
    }),
    fc.constantFrom(..."{}[]()*?!,;=\\/|+-~$\"' \n\t\0:.@#%&<>".split("")),
    fc.constantFrom(
      "{host}",
      "**/",
      "rate(",
      "cron(",
      "minutes)",
      "none",
      "arn:aws:",
      "..",
      "1",
      "s",
    ),
  );
  const anyText = fc.oneof(
    fc.array(fragment, { minLength: 1, maxLength: 12 }).map((parts) => parts.join("")),
    fc.tuple(fragment, fc.integer({ min: 1, max: 8_192 })).map(([part, times]) => {
      return part.repeat(times).slice(0, 8_192);
    }),
    fc.constantFrom(...SETTING_NAMES.flatMap((name) => GOOD[name].map(([text]) => text))),
    fc.constantFrom(...WRONG_VALUES.map(([, value]) => value)),
  );
  const anyLeaf = fc.oneof(
    fc.constantFrom(...SETTING_NAMES, "canary/percent", "expected-hosts", "revision"),
    fc
      .tuple(
        fc.constantFrom("", "canary/"),
        fc.constantFrom("", "routes/raw/", "routes/b/", "routes/Raw/", "routes//"),
        fc.constantFrom<string>(...SETTING_NAMES, "constructor", "percent"),
      )
      .map((parts) => parts.join("")),
  );
  const anyLeaves = fc.dictionary(anyLeaf, anyText, { maxKeys: 8, noNullPrototype: true });
  const anyType = fc.constantFrom("String", "String", "String", "StringList", "SecureString");

  it("it is refused by a name and a short reason, or read as what its setting may be", () => {
    fc.assert(
      fc.property(anyLeaves, anyLeaves, anyType, (fleet, host, type) => {
        const leaves = [...Object.keys(fleet).map((leaf) => `fleet/${leaf}`)];
        const types = Object.fromEntries(leaves.map((leaf) => [leaf, type]));
        const resolved = resolveWritten({ fleet: { bucket: "data", ...fleet }, host, types });
        expect(resolved.hash).to.match(/^[0-9a-f]{12}$/);
        if ("config" in resolved) {
          for (const route of resolved.config.routes) {
            expectWithinDeclared({ ...route.settings, ...resolved.config.settings });
          }
          return;
        }
        expect(resolved.problems).not.to.deep.equal([]);
        expect(refusalText(resolved.problems).length).to.be.lessThan(16_384);
        for (const { parameter, reason } of [...resolved.problems, ...resolved.unknown]) {
          expect(parameter.startsWith(PATHS.fleet) || parameter.startsWith(PATHS.host)).to.equal(
            true,
          );
          expect(reason).not.to.match(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
          expect(reason.length).to.be.lessThan(1_024);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("it is judged by patterns whose work does not explode", () => {
    const parts = ["a", ".", "-", "a-", ".-", "0.", "a.a-", "arn:", "arn:aws:s3:", "/", "a/"];
    const texts = parts.flatMap((part) => [
      part.repeat(8_192 / part.length),
      `${part.repeat(2_000)}!`,
    ]);
    for (const name of SETTING_NAMES) {
      const setting = settingsSchema[name];
      if (!("pattern" in setting)) continue;
      for (const text of texts) {
        const isBounded = decidesWithin(setting.pattern, text, 20 * text.length);
        expect(isBounded, `${name} on ${text.slice(0, 20)}`).to.equal(true);
      }
    }
  });

  it("a configuration says the same at every reading", () => {
    fc.assert(
      fc.property(anyLeaves, (fleet) => {
        const written = { fleet: { bucket: "data", ...fleet } };
        expect(resolveWritten(written)).to.deep.equal(resolveWritten(written));
        const set = parameterSet(written);
        const before = structuredClone(set);
        resolveWritten(written);
        expect(set).to.deep.equal(before);
      }),
    );
  });
});

/** What the README's table and the interface of `Settings` promise, whoever reads them. */
function expectWithinDeclared(settings: Settings): void {
  const between = (value: number, least: number, most: number) =>
    expect(Number.isSafeInteger(value) && value >= least && value <= most).to.equal(true);
  expect(settings.bucket).to.match(/^[a-z0-9.-]{3,63}$|^arn:aws[a-z-]*:s3:[a-z0-9-]+:\d{12}:/);
  expect(settings.prefix).not.to.match(/^\/|\/\/|(^|\/)\.\.?(\/|$)|[\p{Cc}\p{Cf}\p{Cs}]/u);
  expect(settings.directory).to.match(/^[^\p{Cc}\p{Cf}\p{Cs}]+$/u);
  between(Buffer.byteLength(settings.prefix), 0, 1_024);
  between(Buffer.byteLength(settings.directory), 1, 4_095);
  between(settings["min-age"], HOST.minAgeFloorMs, 30 * DAY_MS);
  between(settings.splay === "auto" ? 0 : settings.splay, 0, DAY_MS);
  between(settings.concurrency, 1, 256);
  between(settings["quarantine-after"], 0, 1_000_000);
  between(settings["refresh-interval"], 1_000, DAY_MS);
  if (settings["bandwidth-limit"] !== 0) {
    between(settings["bandwidth-limit"], 1_024, Number.MAX_SAFE_INTEGER);
  }
  between(settings.include.length, 1, 100);
  between(settings.exclude.length, 0, 100);
  expect([...settings.include, ...settings.exclude]).not.to.include("");
  between(settings.tags.length, 0, 10);
  for (const pair of settings.tags) expect(pair).to.have.length(2);
  expect(settings["on-conflict"]).to.equal("suffix");
  expect(["all", "failures"]).to.include(settings["file-events"]);
  expect(["debug", "info", "warn", "error"]).to.include(settings["log-level"]);
  expect(settings["bucket-owner"]).to.match(/^(\d{12})?$/);
}
