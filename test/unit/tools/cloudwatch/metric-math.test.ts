import { expect } from "chai";
import { evaluateMath, type Series } from "../../../../tools/cloudwatch/metric-math.ts";

const none = undefined;

function value(text: string, series: Readonly<Record<string, Series>>): Series {
  return evaluateMath(text, new Map(Object.entries(series)));
}

describe("metric math", () => {
  it("reckons by element, products first, and has no value where one side has none", () => {
    const series = { a: [1, 2, none], b: [10, none, 30] };
    expect(value("a + b", series)).to.deep.equal([11, none, none]);
    expect(value("a + a * 10", series)).to.deep.equal([11, 22, none]);
    expect(value("(a + a) * 10", series)).to.deep.equal([20, 40, none]);
    expect(value("b - 1 - 1", series)).to.deep.equal([8, none, 28]);
    expect(value("b / 10", series)).to.deep.equal([1, none, 3]);
  });

  it("compares to 1 and 0", () => {
    const series = { a: [1, 2, 3] };
    expect(value("a < 2", series)).to.deep.equal([1, 0, 0]);
    expect(value("a >= 2", series)).to.deep.equal([0, 1, 1]);
    expect(value("a == 2", series)).to.deep.equal([0, 1, 0]);
  });

  it("fills what is missing by a number, or by the value before where there is one", () => {
    expect(value("FILL(a, 0)", { a: [none, 1, none] })).to.deep.equal([0, 1, 0]);
    expect(value("FILL(a, REPEAT)", { a: [none, 1, none, none] })).to.deep.equal([none, 1, 1, 1]);
    expect(value("FILL(a, b)", { a: [none, 1], b: [7, 8] })).to.deep.equal([7, 1]);
  });

  it("chooses by a condition", () => {
    const series = { a: [5, 1, none], b: [7, 8, 9] };
    expect(value("IF(a < 2, 1, 0) + b", series)).to.deep.equal([7, 9, none]);
    expect(value("IF(FILL(a, 9) < 2, b, 0)", series)).to.deep.equal([0, 8, 0]);
  });

  it("refuses what it does not know, and what is no series", () => {
    const series = { a: [1] };
    for (const text of ["RATE(a)", "a +", "c", "a a", "1 + 1", "FILL(a)", "REPEAT", "(a"]) {
      expect(() => value(text, series), text).to.throw();
    }
  });
});
