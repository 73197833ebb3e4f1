import { expect } from "chai";
import { logText } from "../../../../src/cli/fleet/log-text.ts";
import { isAtLeast, readLogRecord } from "../../../../src/fleet/logs/log-record.ts";
import { makePalette } from "../../../../src/lib/palette.ts";
import { routeMetrics } from "../../../../src/logs/emf.ts";
import { LEVELS } from "../../../../src/logs/events.ts";

const AT = Date.parse("2026-11-24T12:00:00.250Z");
const plain = makePalette(false, {});
const base = { level: "warn", time: "x", fleet: "web", host: "h", version: "1", id: "abcdefgh-1" };

const textOf = (record: unknown, palette = plain) => {
  const message = typeof record === "string" ? record : JSON.stringify(record);
  return logText(readLogRecord({ timestamp: AT, message }), palette);
};

describe("a log record for people", () => {
  it("is one line: time, level, event, and what is not the same in all records", () => {
    const record = { ...base, event: "file.failed", path: "a b.csv", attempts: 2, none: null };
    expect(textOf(record)).to.equal(
      '2026-11-24T12:00:00.250Z warn  file.failed          path="a b.csv" attempts=2\n',
    );
  });

  it("does not say metrics twice", () => {
    const about = { fleet: "web", route: "default" };
    const metrics = routeMetrics(about, { both: { FilesRemoved: 3 }, route: {} }, AT);
    const text = textOf({ ...base, event: "sweep.completed", filesRemoved: 3, ...metrics });
    expect(text)
      .to.include("filesRemoved=3")
      .and.not.to.match(/FilesRemoved|_aws|Fleet|Route/);
  });

  it("shows a line that is no record, and lets a terminal obey nothing", () => {
    expect(textOf("no \u001b[2J JSON\n")).to.match(/Z {7}no \\x1b\[2J JSON\n$/);
    expect(textOf({ ...base, event: "x", message: "a\u001b[2Jb\nc" })).to.match(
      /message="a\\u001b\[2Jb\\nc"\n$/,
    );
  });

  it("has the colour of its level on a terminal", () => {
    const coloured = makePalette(true, {});
    const error = textOf({ ...base, level: "error", event: "x" }, coloured);
    expect(error.startsWith("\u001b[31m")).to.equal(true);
    expect(textOf({ ...base, level: "info", event: "x" }, coloured)).not.to.include("\u001b");
  });

  it("is left out below the level that is asked for; one without a level never is", () => {
    const levels = (least: (typeof LEVELS)[number]) =>
      [...LEVELS, undefined].filter((level) => {
        const message = JSON.stringify({ level });
        return isAtLeast(readLogRecord({ timestamp: AT, message }), least);
      });
    expect(levels("debug")).to.deep.equal([...LEVELS, undefined]);
    expect(levels("warn")).to.deep.equal(["warn", "error", undefined]);
  });
});
