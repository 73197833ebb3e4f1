import { expect } from "chai";
import type { LogLine, LogPage } from "../../../../src/fleet/log-queries.ts";
import { LogCursor, mergeByTime } from "../../../../src/fleet/logs/log-cursor.ts";
import { ServiceError } from "../../../../src/lib/errors.ts";
import { SkippingClock } from "../../../support/memory-ssm.ts";

const from = { group: "/g", stream: "h", startAt: 5 };
const line = (timestamp: number): LogLine => ({ timestamp, message: `${timestamp}` });
const signal = new AbortController().signal;
const patience = { clock: new SkippingClock(), random: () => 0.5, signal };

/** Pages by the token that asks for them; the last one gives its own token back. */
function cursorOf(pages: Readonly<Record<string, LogPage | undefined | Error>>) {
  const asked: string[] = [];
  const reader = {
    async readPage(_: typeof from, token = "first") {
      asked.push(token);
      const page = pages[token];
      if (page instanceof Error) {
        (pages as Record<string, unknown>)[token] = { lines: [], token };
        throw page;
      }
      return page;
    },
  };
  return { cursor: new LogCursor(reader, from, async () => undefined), asked };
}

const collect = async (lines: AsyncIterable<LogLine>) => {
  const found: number[] = [];
  for await (const { timestamp } of lines) found.push(timestamp);
  return found;
};

describe("LogCursor", () => {
  it("reads over empty pages to the end, which is where a token comes back", async () => {
    const { cursor, asked } = cursorOf({
      first: { lines: [line(1)], token: "a" },
      a: { lines: [], token: "b" },
      b: { lines: [line(2), line(3)], token: "c" },
      c: { lines: [], token: "c" },
    });
    expect(await collect(cursor.lines(patience))).to.deep.equal([1, 2, 3]);
    expect(cursor.isThere).to.equal(true);
    expect(asked).to.deep.equal(["first", "a", "b", "c"]);
  });

  it("goes on where it was: nothing twice, nothing left out", async () => {
    const pages: Record<string, LogPage> = {
      first: { lines: [line(1)], token: "a" },
      a: { lines: [], token: "a" },
    };
    const { cursor } = cursorOf(pages);
    expect(await collect(cursor.lines(patience))).to.deep.equal([1]);
    expect(await collect(cursor.lines(patience))).to.deep.equal([]);
    pages["a"] = { lines: [line(2)], token: "b" };
    pages["b"] = { lines: [], token: "b" };
    expect(await collect(cursor.lines(patience))).to.deep.equal([2]);
  });

  it("has nothing of a stream that is not there", async () => {
    const { cursor } = cursorOf({});
    expect(await collect(cursor.lines(patience))).to.deep.equal([]);
    expect(cursor.isThere).to.equal(false);
  });

  it("asks again when the service throttles", async () => {
    const details = { code: "ThrottlingException", retryAfterMs: undefined, hint: "" };
    const error = new ServiceError("slow down", { ...details, isPassing: true });
    const { cursor, asked } = cursorOf({ first: error });
    await collect(cursor.lines(patience));
    expect(asked.slice(0, 2)).to.deep.equal(["first", "first"]);
  });
});

describe("mergeByTime", () => {
  async function* each(...times: number[]) {
    for (const time of times) yield line(time);
  }

  for (const [what, sources, merged] of [
    ["nothing", [], []],
    ["one source", [[1, 2]], [1, 2]],
    ["sources of all lengths", [[1, 5, 6], [], [2, 3, 9], [4]], [1, 2, 3, 4, 5, 6, 9]],
    ["the same time", [[1, 1], [1]], [1, 1, 1]],
  ] as const) {
    it(`puts in order: ${what}`, async () => {
      const found = await collect(mergeByTime(sources.map((times) => each(...times))));
      expect(found).to.deep.equal(merged);
    });
  }
});
