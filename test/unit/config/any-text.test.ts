import { expect } from "chai";
import fc from "fast-check";
import { refusalText } from "../../../src/config/config.ts";
import { SETTING_NAMES, type Settings, settingsSchema } from "../../../src/config/schema.ts";
import { problemsOf, shown } from "../../../src/config/validate.ts";
import { GOOD_VALUES } from "../../support/good-values.ts";
import { HOST, PATHS, parameterSet, resolveWritten } from "../../support/parameter-sets.ts";
import { decidesWithin } from "../../support/regexp-work.ts";
import { WRONG_VALUES } from "../../support/wrong-configurations.ts";

const DAY_MS = 86_400_000;

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
    fc.constantFrom(...SETTING_NAMES.flatMap((name) => GOOD_VALUES[name].map(([text]) => text))),
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

  it("it is seen in a message as what it is", () => {
    const error = new Error("region: must be a region: value was \u202ehtuos\u2028x\u0085");
    expect(problemsOf(error)).to.deep.equal([
      {
        setting: "region",
        reason: "must be a region: value was \\u{202e}htuos\\u{2028}x\\u{85}",
      },
    ]);
    expect(shown("a\ud800\u007f")).to.equal('"a\\ud800\\u{7f}"');
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
  if (settings["log-spool-limit"] !== 0) {
    between(settings["log-spool-limit"], 2 ** 20, 2 ** 34);
  }
  between(settings.include.length, 1, 100);
  between(settings.exclude.length, 0, 100);
  expect([...settings.include, ...settings.exclude]).not.to.include("");
  between(settings.tags.length, 0, 10);
  for (const pair of settings.tags) expect(pair).to.have.length(2);
  expect(settings["on-conflict"]).to.equal("suffix");
  expect(["all", "failures"]).to.include(settings["file-events"]);
  between(settings["file-events-percent"], 0, 100);
  expect(["debug", "info", "warn", "error"]).to.include(settings["log-level"]);
  expect(settings["bucket-owner"]).to.match(/^(\d{12})?$/);
}
