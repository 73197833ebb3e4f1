import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { shellWord } from "../../../src/lib/shell-word.ts";

describe("a word for the shell", () => {
  for (const text of ["/srv/a", "/srv/a b", "it's", "$HOME", "`id`", '"', "a\\b", "", "*", "~"]) {
    it(`is ${JSON.stringify(text)} again`, () => {
      const said = execFileSync("sh", ["-c", `printf %s ${shellWord(text)}`], { encoding: "utf8" });
      expect(said).to.equal(text);
    });
  }
});
