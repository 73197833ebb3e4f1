import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect } from "chai";
import { DEFAULTS, readArguments, UsageError } from "../../../tools/cost/arguments.ts";
import {
  type Facts,
  type Fleet,
  logBytes,
  monthOf,
  pollsOf,
  putsPerFile,
  savingsOf,
  totalOf,
} from "../../../tools/cost/model.ts";
import { PRICES } from "../../../tools/cost/prices.ts";
import { pageParts, readFacts, reportJson, withParts } from "../../../tools/cost/report.ts";

const run = promisify(execFile);
const COST = new URL("../../../tools/cost.ts", import.meta.url).pathname;
const MIB = 2 ** 20;

/** Round numbers, so that a person can reckon. */
const FACTS: Facts = {
  measured: {
    at: "2026-01-01",
    version: "0",
    heartbeatBytes: 974,
    sweepBytes: 1_974,
    sweepBytesPerUpload: 0,
    fileRemovedBytes: 474,
    fileFailedBytes: 374,
  },
  stack: {
    alarmMetrics: 20,
    compositeAlarms: 1,
    dashboards: 1,
    logAlarms: [{ runsPerMonth: 730, hours: 2 }],
    filterMetrics: 0,
  },
  metrics: { ofFleet: 30, ofRoute: 20 },
};

describe("the cost calculator", () => {
  const dollars = (fleet: Partial<Fleet>, what: string): number => {
    const lines = monthOf({ ...DEFAULTS, ...fleet }, FACTS);
    return lines.filter((line) => line.what === what).reduce((sum, line) => sum + line.dollars, 0);
  };

  it("reckons log volume of records with their overhead", () => {
    // Each hour: 12 heartbeats of 1,000 bytes, 6 sweeps of 2,000, 60 files of 500.
    const fleet = { ...DEFAULTS, hosts: 1_000 };
    expect(logBytes(fleet, FACTS.measured)).to.deep.equal({
      state: 24_000 * 730 * 1_000,
      files: 30_000 * 730 * 1_000,
    });
    const failing = { ...fleet, fileEvents: "failures" as const, failuresPercent: 10 };
    expect(logBytes(failing, FACTS.measured).files).to.be.closeTo(6 * 400 * 730 * 1_000, 1);
    const sampled = { ...fleet, fileEventsPercent: 50, routes: 2, scheduleMinutes: 5 };
    expect(logBytes(sampled, FACTS.measured)).to.deep.equal({
      state: (12_000 + 24 * 2_000) * 730 * 1_000,
      files: 15_000 * 730 * 1_000,
    });
  });

  it("bills each part by its price", () => {
    const fleet = { hosts: 1_000 };
    expect(dollars(fleet, "S3 requests")).to.be.closeTo(43_800 * 0.005, 1e-6);
    expect(dollars(fleet, "Log of states")).to.be.closeTo(17.52 * 0.5, 1e-9);
    expect(dollars(fleet, "Log of files")).to.be.closeTo(21.9 * 0.5, 1e-9);
    // 0.576 GB a day for 90 days, compressed.
    expect(dollars(fleet, "Kept log of states")).to.be.closeTo(0.576 * 90 * 0.15 * 0.03, 1e-9);
    expect(dollars({ routes: 3 }, "Metrics")).to.be.closeTo((30 + 3 * 20) * 0.3, 1e-9);
    expect(dollars(fleet, "Alarms")).to.be.closeTo(2, 1e-9);
    // 730 queries, each over two hours of 24 MB.
    expect(dollars(fleet, "Queries of log alarms")).to.be.closeTo(730 * 0.048 * 0.005, 1e-9);
    expect(dollars({ logAlarms: false }, "Queries of log alarms")).to.equal(0);
  });

  it("knows that large files go in parts", () => {
    expect([1, 16 * MIB].map(putsPerFile)).to.deep.equal([1, 1]);
    expect(putsPerFile(64 * MIB)).to.equal(8 + 2);
  });

  it("bills calls to the Parameter Store where the account pays for them, as paced", () => {
    expect(dollars({ hosts: 1_000 }, "Parameter Store")).to.equal(0);
    expect(pollsOf(1_000)).to.equal(1_000 * 730 * 6);
    expect(pollsOf(100_000)).to.be.closeTo(10 * 730 * 3_600, 1e-3);
    const paid = dollars({ hosts: 1_000, higherThroughput: true }, "Parameter Store");
    expect(paid).to.be.closeTo((4_380_000 / 10_000) * 0.05, 1e-9);
  });

  it("says what a setting saves as the difference of two bills, and nothing for one that is set", () => {
    const fleet = { ...DEFAULTS, hosts: 1_000 };
    const [failures] = savingsOf(fleet, FACTS);
    const cheaper = monthOf({ ...fleet, fileEvents: "failures" }, FACTS);
    expect(failures?.dollars).to.equal(totalOf(monthOf(fleet, FACTS)) - totalOf(cheaper));
    expect(failures?.dollars).to.be.above(10);
    const [nothing] = savingsOf({ ...fleet, fileEvents: "failures" }, FACTS);
    expect(nothing?.dollars).to.equal(0);
  });

  it("says of each price where it is from and of what time, or that it is not verified", () => {
    for (const [name, { source, asOf, isVerified, dollars: price }] of Object.entries(PRICES)) {
      expect(source, name).not.to.equal("");
      expect(price, name).to.be.above(0);
      if (isVerified) expect(asOf, name).to.match(/20\d\d-\d\d-\d\d/);
    }
  });

  for (const [args, expected] of [
    ["--files-per-hour 60", "--hosts is needed"],
    ["--hosts 10", "--files-per-hour is needed"],
    ["--hosts 0 --files-per-hour 1", "--hosts must be a number from 1 to 1,000,000"],
    ["--hosts 1.5 --files-per-hour 1", "--hosts must be a whole number, not 1.5"],
    [
      "--hosts 1 --files-per-hour many",
      '--files-per-hour must be a number from 0 to 10,000,000, not "many"',
    ],
    ["--hosts 1 --files-per-hour 1 --file-size 5", "--file-size must be a number with a unit"],
    ["--hosts 1 --files-per-hour 1 --file-events no", "--file-events must be all or failures"],
    ["--hosts 1 --files-per-hour 1 --file-events-percent 101", "from 0 to 100"],
    ["--hosts 1 --files-per-hour 1 --files-log-class IA", "STANDARD or INFREQUENT_ACCESS"],
    ["--hosts 1 --files-per-hour 1 --retention-days 0", "--retention-days must be"],
    ["--hosts 1 --files-per-hour 1 --fleet web", "Unknown option '--fleet'"],
    ["--hosts", "--hosts"],
    ["10 60", "10"],
  ] as const) {
    it(`refuses ${args}`, () => {
      expect(() => readArguments(args.split(" "))).to.throw(UsageError, expected);
    });
  }

  it("takes every setting, and one retention for both logs", () => {
    const args =
      "--hosts 5_000 --files-per-hour 0.5 --file-size 64MiB --routes 2 --schedule-minutes 5 --file-events failures --file-events-percent 20 --files-log-class INFREQUENT_ACCESS --retention-days 14 --files-log-days 7 --failures-percent 1 --no-log-alarms --higher-throughput --json";
    expect(readArguments(args.split(" "))).to.deep.equal({
      isJson: true,
      fleet: {
        hosts: 5_000,
        filesPerHour: 0.5,
        fileBytes: 64 * MIB,
        routes: 2,
        scheduleMinutes: 5,
        fileEvents: "failures",
        fileEventsPercent: 20,
        filesLogClass: "INFREQUENT_ACCESS",
        stateLogDays: 14,
        filesLogDays: 7,
        failuresPercent: 1,
        logAlarms: false,
        higherThroughput: true,
      },
    });
  });

  it("has its tables in docs/cost.md (node tools/cost.ts --write-page)", async () => {
    const page = await readFile(new URL("../../../docs/cost.md", import.meta.url), "utf8");
    expect(page).to.equal(withParts(page, pageParts(await readFacts())));
    const changed = page.replace("| Dashboard | $3.00", "| Dashboard | $4.00");
    expect(changed).not.to.equal(page);
    expect(withParts(changed, pageParts(await readFacts()))).to.equal(page);
  });

  it("answers on the command line, for people and for programs, and names what is wrong", async () => {
    const args = ["--hosts", "1000", "--files-per-hour", "60"];
    const people = await run(process.execPath, [COST, ...args]);
    expect(people.stdout)
      .to.match(/^Together +\$\d/m)
      .and.to.include("price not verified");
    const programs = await run(process.execPath, [COST, ...args, "--json"]);
    const { fleet } = readArguments(args) ?? { fleet: DEFAULTS };
    expect(programs.stdout).to.equal(reportJson(fleet, await readFacts()));
    const wrong = await run(process.execPath, [COST, "--hosts", "no"]).catch((error) => error);
    expect(wrong).to.include({ code: 2, stdout: "" });
    expect(wrong.stderr).to.include("--hosts must be").and.not.to.include("    at ");
  });
});
