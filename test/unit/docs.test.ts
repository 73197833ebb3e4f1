import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { SETTING_NAMES } from "../../src/config/schema.ts";
import { EVENTS } from "../../src/logs/events.ts";
import { withGenerated } from "../../tools/docs.ts";

const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");

describe("README", () => {
  it("has the tables that the source makes (npm run docs)", () => {
    expect(readme).to.equal(withGenerated(readme));
  });

  it("names every parameter and every event", () => {
    for (const name of [...SETTING_NAMES, ...Object.keys(EVENTS)]) {
      expect(readme).to.include(`| \`${name}\` |`);
    }
  });

  it("would be found wrong if a table were changed by hand", () => {
    const changed = readme.replace("| `concurrency` | `8` |", "| `concurrency` | `9` |");
    expect(changed).not.to.equal(readme);
    expect(withGenerated(changed)).to.equal(readme);
  });
});
