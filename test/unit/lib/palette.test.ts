import { expect } from "chai";
import { makePalette, quoted } from "../../../src/lib/palette.ts";

describe("the palette", () => {
  for (const [isTerminal, env, isColoured] of [
    [true, {}, true],
    [true, { NO_COLOR: "" }, true],
    [true, { NO_COLOR: "1" }, false],
    [true, { TERM: "dumb" }, false],
    [false, { TERM: "xterm" }, false],
  ] as const) {
    it(`has ${isColoured ? "" : "no "}colours with terminal ${isTerminal} and ${JSON.stringify(env)}`, () => {
      const text = makePalette(isTerminal, env).green("a");
      expect(text).to.equal(isColoured ? "\u001b[32ma\u001b[39m" : "a");
    });
  }

  it("is of no use to a value: what a terminal would obey or turn round is escaped", () => {
    expect(quoted('a"\u001b[31m\u009b\u202e\n')).to.equal('"a\\"\\u001b[31m\\u009b\\u202e\\n"');
    expect(quoted("ä語")).to.equal('"ä語"');
  });
});
