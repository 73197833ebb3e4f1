import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { expect } from "chai";
import type { Command } from "commander";
import { agentProgram } from "../../../packaging/manual/command-tree.ts";
import { renderManual, ZSH_COMPLETION_DEBIAN } from "../../../packaging/manual/manual.ts";
import { BOOTSTRAP_KEYS } from "../../../src/config/bootstrap.ts";
import { FLEET_PARAMETERS, SETTING_NAMES } from "../../../src/config/schema.ts";

const ABOUT = { version: "1.2.3", date: new Date("2026-11-24T10:00:00Z") };
const AGENT_PAGE = "man/man1/s3-offload-agent.1.gz";
const FLEET_PAGE = "man/man1/s3-offload-agent-fleet.1.gz";
const BOOTSTRAP_PAGE = "man/man5/s3-offload-agent.yaml.5.gz";
const PARAMETERS_PAGE = "man/man7/s3-offload-agent-parameters.7.gz";

const manual = renderManual(ABOUT);

/** A file as text; of a page what a reader sees, but for fonts and spaces. */
function textOf(path: string): string {
  const bytes = manual.get(path) ?? Buffer.of();
  if (!path.endsWith(".gz")) return Buffer.from(bytes).toString();
  return gunzipSync(bytes)
    .toString()
    .replaceAll(/\\f.|\\[%:]/g, "")
    .replaceAll(/\\[-~]/g, (sign) => (sign === "\\-" ? "-" : " "));
}

/** A section of a page; nothing if it has none of that name. */
function partOf(page: string, heading: string): string {
  const [, rest = ""] = page.split(`\n.SH ${heading}\n`);
  return rest.split("\n.SH")[0] ?? "";
}

/** Every command of the program itself, read without the walk that the manual is made by. */
function commandsOf(command: Command, words: readonly string[] = []): [string, Command][] {
  const below = command.commands.flatMap((one) => commandsOf(one, [...words, one.name()]));
  return [[words.join(" "), command], ...below];
}

const program = agentProgram();

describe("the manual pages", () => {
  for (const [name, command] of commandsOf(program)) {
    // What only leads to other commands has nothing to tell.
    if (command.commands.length > 0) continue;
    it(`tell of ${name} with everything it takes`, () => {
      const page = textOf(name.startsWith("fleet ") ? FLEET_PAGE : AGENT_PAGE);
      const start = page.indexOf(`\n.SS ${name}\n`);
      expect(start, "its section").to.be.above(0);
      const section = page.slice(start, page.indexOf("\n.S", start + 5));
      const shared = partOf(page, "OPTIONS");
      for (const { long, short } of command.options) {
        expect(`${section}${shared}`).to.match(new RegExp(`\n(${short}, )?${long}( .*)?\n`));
      }
      for (const argument of command.registeredArguments) {
        const words = argument.argChoices ?? [argument.name()];
        expect(section).to.match(new RegExp(`\n\\[?${words.join("\\|")}( \\.\\.\\.)?\\]?\n`));
      }
    });
  }

  it("tell of every key of the bootstrap file, with its variable", () => {
    const page = textOf(BOOTSTRAP_PAGE);
    for (const { key, env } of BOOTSTRAP_KEYS) {
      expect(page).to.include(`.TP\n${key}\n`);
      expect(page).to.include(env);
    }
  });

  it("tell of every parameter", () => {
    const page = textOf(PARAMETERS_PAGE);
    for (const name of [...SETTING_NAMES, ...Object.keys(FLEET_PARAMETERS)]) {
      expect(page).to.include(`.TP\n${name}\n`);
    }
  });

  it("name no command that is not there", () => {
    const known = commandsOf(program).map(([name]) => name);
    const pages = [AGENT_PAGE, FLEET_PAGE, BOOTSTRAP_PAGE, PARAMETERS_PAGE].map((path) =>
      gunzipSync(manual.get(path) ?? Buffer.of())
        .toString()
        .replaceAll(/\\%/g, ""),
    );
    // A command stands in bold, or begins a line of an example.
    const named = pages.flatMap((page) => [
      ...page.matchAll(/(?:\\fB|^)s3\\-offload\\-agent ([a-z ]+[a-z])/gm),
    ]);
    expect(named).to.have.length.above(20);
    for (const [text, words = ""] of named) {
      const [first = "", second = "", third = ""] = words.split(" ");
      const candidates = [first, `${first} ${second}`, `${first} ${second} ${third}`];
      const isGroup = first === "config" || first === "fleet";
      const found = candidates.filter((name) => known.includes(name));
      expect(found, text).to.have.length.above(isGroup && second !== "" ? 1 : 0);
    }
  });

  it("lead from one to the others", () => {
    const names = [AGENT_PAGE, FLEET_PAGE, BOOTSTRAP_PAGE, PARAMETERS_PAGE].map((path) => {
      const [, name, section] = /([^/]+)\.(\d)\.gz$/.exec(path) ?? [];
      return { path, name: `${name}(${section})` };
    });
    for (const { path } of names) {
      const also = partOf(textOf(path), "SEE ALSO");
      const others = names.filter((other) => other.path !== path);
      for (const { name } of others) expect(also.replaceAll("\n", " "), path).to.include(name);
    }
  });
});

describe("the completions", () => {
  for (const [name, command] of commandsOf(program)) {
    it(`know ${name === "" ? "the program" : name} with everything below it`, () => {
      const [bash, zsh, fish] = [
        textOf("bash-completion/completions/s3-offload-agent"),
        textOf("zsh/site-functions/_s3-offload-agent"),
        textOf("fish/vendor_completions.d/s3-offload-agent.fish"),
      ];
      const words = name === "" ? [] : name.split(" ");
      const key = [".", ...words].join(" ");
      const bashOptions = bash.split("\n").find((line) => line.includes(`['${key}']='-`)) ?? "";
      const start = zsh.indexOf(`\n${["_s3-offload-agent", ...words].join("-")}() {\n`);
      const zshFunction = zsh.slice(start, zsh.indexOf("\n}\n", start));
      const fishLines = fish.split("\n").filter((line) => line.includes(`_at \\'${key}\\' `));
      for (const { long } of command.options) {
        expect(bashOptions.split(/[' ]/)).to.include(long);
        expect(zshFunction).to.match(new RegExp(`['*,]${long}[=[}]`));
        expect(fishLines.some((line) => line.includes(` -l ${long?.slice(2)} `))).to.equal(true);
      }
      for (const one of command.commands) {
        const below = bash
          .split("\n")
          .find((line) => line.startsWith(`    ['${key}']='${command.commands[0]?.name()} `));
        expect(below?.split(/[' ]/)).to.include(one.name());
        expect(zshFunction).to.include(`        ${one.name()}) `);
        expect(fishLines.some((line) => line.includes(` -a ${one.name()} `))).to.equal(true);
      }
    });
  }
});

describe("the manual", () => {
  it("is the same for the same source, and carries no time but the date it is given", () => {
    expect(renderManual(ABOUT)).to.deep.equal(manual);
    for (const [path, bytes] of manual) {
      // RFC 1952: four bytes of time behind magic, method and flags; no flag: no name, no comment.
      if (path.endsWith(".gz")) expect([...bytes.slice(3, 8)], path).to.deep.equal([0, 0, 0, 0, 0]);
    }
  });

  it("bears the version and the date it is given, on its pages only", () => {
    const other = renderManual({ version: "9.9.9", date: new Date("2031-01-02") });
    expect([...other.keys()]).to.deep.equal([...manual.keys()]);
    for (const [path, bytes] of other) {
      if (path.endsWith(".gz")) {
        expect(gunzipSync(bytes).toString()).to.match(/^\.TH .* 2031-01-02 ".* 9\.9\.9" /);
      } else expect(bytes).to.deep.equal(manual.get(path));
    }
  });

  it("is in both packages, each file", async () => {
    const manifest = await readFile(
      new URL("../../../packaging/nfpm.yaml", import.meta.url),
      "utf8",
    );
    for (const path of manual.keys()) {
      expect(manifest).to.include(`src: \${TREE}/share/${path}\n    dst: /usr/share/${path}\n`);
    }
    expect(manifest).to.include(`dst: /usr/share/${ZSH_COMPLETION_DEBIAN}\n    packager: deb`);
  });
});
