import { expect } from "chai";
import fc from "fast-check";
import picomatch from "picomatch";
import { globsProblem } from "../../../src/config/globs.ts";
import { ANY, branchesOf, type Item, makeGlob, matches } from "../../../src/sweep/glob.ts";
import { makeSelector } from "../../../src/sweep/select.ts";
import { decidesWithin } from "../../support/regexp-work.ts";

const isMatch = (glob: string, path: string) => makeGlob(glob)(path.split("/"));

describe("a glob", () => {
  const rows: readonly (readonly [
    glob: string,
    takes: readonly string[],
    not: readonly string[],
  ])[] = [
    ["*.log", ["a.log", ".log", ".hidden.log"], ["a/b.log", "a.log.gz", "alog"]],
    ["**/*.log", ["a.log", "a/b.log", "a/.b/c.log"], ["a.csv", "a.log/b"]],
    ["**", ["a", "a/b/c", ".a"], []],
    ["*", ["a", ".a"], ["a/b"]],
    ["logs/**", ["logs/a", "logs/a/b"], ["log/a", "x/logs/a", "logs"]],
    ["**/logs/**", ["logs/a", "x/y/logs/z/a"], ["x/log/a"]],
    ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "a/b/c"]],
    ["a**b", ["ab", "axb"], ["a/b"]],
    ["a?c", ["abc", "a.c", "aéc", "a😀c"], ["ac", "abbc", "a/c"]],
    ["[ab]x", ["ax", "bx"], ["cx", "abx", "[ab]x"]],
    ["[!a-c]x", ["dx", ".x"], ["ax", "cx", "x"]],
    ["[^a-c]x", ["dx"], ["bx", "x"]],
    ["report [(]1[)].csv", ["report (1).csv"], ["report 1.csv"]],
    ["[*]", ["*"], ["a"]],
    ["[a-]", ["a", "-"], ["b"]],
    ["*.{log,csv}", ["a.log", "a.csv"], ["a.tmp", "a.{log,csv}"]],
    ["{a,b/c}/x{1,2}", ["a/x1", "b/c/x2"], ["b/x1", "a/x3"]],
    ["{,x}a", ["a", "xa"], ["ya"]],
    ["a.b+c^$", ["a.b+c^$"], ["axb+c^$"]],
    ["%0A*", ["%0Ax"], ["\nx"]],
  ];

  for (const [glob, takes, not] of rows) {
    it(`${glob} takes ${takes.join(" ")}${not.length > 0 ? `, not ${not.join(" ")}` : ""}`, () => {
      expect(globsProblem([glob])).to.equal(undefined);
      for (const path of takes) expect(isMatch(glob, path), path).to.equal(true);
      for (const path of not) expect(isMatch(glob, path), path).to.equal(false);
    });
  }

  it("means what picomatch takes it for", () => {
    const name = fc.stringMatching(/^[ab.]{1,4}$/).filter((one) => one !== "." && one !== "..");
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
    const part = fc.oneof(
      { arbitrary: fc.stringMatching(/^[ab.*?]{1,5}$/), weight: 4 },
      { arbitrary: fc.constantFrom("**", "[ab]*", "[^a]b", "{a,b}*", "*.{a,b.b}"), weight: 3 },
    );
    const glob = fc
      .array(part, { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join("/"))
      .filter((one) => globsProblem([one]) === undefined)
      // Of `a/**` and `*/**` only the one takes the file `a` there; and stars beside `**` vary.
      .filter((one) => !/[^/]\*\*|\*\*[^/]|\*\*\/\*\*|\/\*\*$/.test(one));
    fc.assert(
      fc.property(glob, path, (one, text) => {
        expect(isMatch(one, text)).to.equal(picomatch.isMatch(text, one, { dot: true }));
      }),
      { numRuns: 2_000 },
    );
  });

  it("takes at most pattern times text steps, where a regular expression takes millions", () => {
    const long = "a".repeat(255);
    expect(decidesWithin(picomatch.makeRe("*a*a*a*b"), long, 1_000_000)).to.equal(false);
    let steps = 0;
    const isA = (character: string): boolean => {
      steps += 1;
      return character === "a";
    };
    const stars: Item<string>[] = Array.from({ length: 200 }, (): Item<string>[] => [
      ANY,
      isA,
    ]).flat();
    const last = (character: string): boolean => {
      steps += 1;
      return character === "b";
    };
    expect(matches([...stars, ANY, last], [...long])).to.equal(false);
    expect(steps).to.be.lessThan(402 * 256);
  });
});

describe("the braces of globs", () => {
  it("stand for each of what they hold, and for all combinations", () => {
    expect(branchesOf("{a,b}x{1,2}")).to.deep.equal(["ax1", "ax2", "bx1", "bx2"]);
    expect(branchesOf("x")).to.deep.equal(["x"]);
  });
});

describe("a selector", () => {
  it("takes what is included and not excluded", () => {
    const isSelected = makeSelector(["*.log", "sub/**"], ["**/*.tmp", "sub/no/**"]);
    expect(["a.log", "sub/a", "sub/b/c"].every(isSelected)).to.equal(true);
    expect(["a.csv", "sub/a.tmp", "sub/no/a", "x/a.log"].some(isSelected)).to.equal(false);
    expect(makeSelector(["**"], [])("any/thing")).to.equal(true);
  });
});
