import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { SETTING_NAMES } from "../../src/config/schema.ts";
import { EVENT_NAMES } from "../../src/logs/events.ts";
import { GENERATED, pathOf, withGenerated } from "../../tools/docs.ts";

const textOf = (document: string) => readFile(pathOf(document), "utf8");
const readme = await textOf("README.md");
const events = await textOf("docs/events.md");

for (const document of Object.keys(GENERATED)) {
  describe(document, () => {
    it("has the tables that the source makes (npm run docs)", async () => {
      const text = await textOf(document);
      expect(text).to.equal(withGenerated(document, text));
    });
  });
}

describe("README.md", () => {
  it("names every parameter", () => {
    for (const name of SETTING_NAMES) expect(readme).to.include(`| \`${name}\` |`);
  });

  it("would be found wrong if a table were changed by hand", () => {
    const changed = readme.replace("| `concurrency` | `8` |", "| `concurrency` | `9` |");
    expect(changed).not.to.equal(readme);
    expect(withGenerated("README.md", changed)).to.equal(readme);
  });
});

describe("docs/events.md", () => {
  it("has a section for every event, and its contents lead there", () => {
    const headings = [...events.matchAll(/^### (.*)$/gm)].map(([, name]) => name);
    expect(headings.toSorted()).to.deep.equal(EVENT_NAMES.toSorted());
    // A heading's anchor is its text without what is no letter, digit or hyphen.
    const anchors = new Set(headings.map((name = "") => name.replace(/[^a-z0-9-]/g, "")));
    const links = [...events.matchAll(/\]\(#([^)]*)\)/g)].map(([, anchor = ""]) => anchor);
    expect(new Set(links)).to.deep.equal(anchors);
  });
});
