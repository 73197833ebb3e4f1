import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const SRC = fileURLToPath(new URL("../../src/", import.meta.url));
const TOOLS = fileURLToPath(new URL("../../tools/", import.meta.url));

/**
 * What each folder may import: main -> cli -> agent -> {refresh, config, schedule, sweep, logs, aws} -> lib.
 * host finds out who the machine is; config and cli ask it. fleet is what an operator's commands
 * know; agent brings it together with aws.
 * Beyond that, config validates settings with the code that will obey them (schedule, sweep), cli
 * tells of what the others answer, and aws implements interfaces that the others own.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["cli", "lib"],
  cli: ["agent", "fleet", "config", "host", "logs", "sweep", "lib"],
  agent: ["fleet", "refresh", "config", "host", "schedule", "sweep", "logs", "aws", "lib"],
  fleet: ["config", "host", "schedule", "logs", "lib"],
  refresh: ["config", "logs", "lib"],
  config: ["host", "schedule", "sweep", "lib"],
  host: ["lib"],
  schedule: ["lib"],
  sweep: ["lib"],
  logs: ["lib"],
  aws: ["config", "fleet", "logs", "sweep", "lib"],
  lib: [],
};

/** Each source file below a folder with what it imports. */
const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => {
      const text = readFileSync(join(folder, name), "utf8");
      const found = text.matchAll(/(?:from|import\(?)\s*"([^"]+)"/g);
      return { name, text, imports: [...found].map(([, to = ""]) => to) };
    });

const files = filesOf(SRC);

const folderOf = (name: string) => name.split("/")[0] ?? "";

describe("src", () => {
  it("is read by this test", () => {
    expect(files.length).to.be.above(40);
    expect(files.flatMap(({ imports }) => imports).length).to.be.above(100);
  });

  for (const { name, text, imports } of files) {
    it(`${name} keeps the import directions and the house's rules`, () => {
      const folder = folderOf(name);
      for (const to of imports) {
        if (!to.startsWith(".")) {
          const isSdk = /^@(aws-sdk|smithy)\//.test(to);
          if (isSdk) expect(folder, `${name} imports ${to}`).to.equal("aws");
          continue;
        }
        const target = relative(SRC, resolve(SRC, dirname(name), to));
        // The manifest holds the version.
        if (target === "../package.json") continue;
        const allowed = [folder, ...(MAY_IMPORT[folder] ?? [])];
        expect(allowed, `${name} imports ${target}`).to.include(folderOf(target));
      }
      if (name !== "main.ts") expect(text).not.to.match(/process\.exit\b|process\.exitCode/);
      expect(text).not.to.match(/\bconsole\./);
      expect(text.split("\n").length, "lines").to.be.below(350);
    });
  }
});

describe("tools", () => {
  it("are used by tests, and use none of theirs", () => {
    const imports = filesOf(TOOLS).flatMap(({ name, imports: all }) =>
      all
        .filter((to) => to.startsWith("."))
        .map((to) => ({ name, target: relative(TOOLS, resolve(TOOLS, dirname(name), to)) })),
    );
    expect(imports).to.have.length.above(50);
    const wrong = imports.filter(({ target }) => target.startsWith("../test/"));
    expect(wrong).to.deep.equal([]);
  });
});
