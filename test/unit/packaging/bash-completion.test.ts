import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { readCommandTree } from "../../../packaging/manual/command-tree.ts";
import { bashCompletion } from "../../../packaging/manual/completions/bash.ts";
import { COMPLETION_CASES } from "../../support/shells/cases.ts";

const run = promisify(execFile);
const DRIVER = fileURLToPath(new URL("../../support/shells/complete.bash", import.meta.url));

describe("the completion of bash", () => {
  let folder: string;
  let completion: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "bash-completion-"));
    completion = join(folder, "completion");
    await writeFile(completion, bashCompletion(readCommandTree()));
  });
  after(() => rm(folder, { recursive: true }));

  /** What bash is offered at the end of a line, which is cut as readline does it. */
  async function offered(line: string): Promise<string[]> {
    const words = line.split(/ |(=)/).filter((word) => word !== undefined);
    const { stdout } = await run("bash", ["--norc", DRIVER, completion, ...words]);
    return stdout.split("\n").filter((word) => word !== "");
  }

  for (const { line, words, takes } of COMPLETION_CASES) {
    it(`offers what belongs behind "${line}"`, async () => {
      const left = takes === "files" ? ["<default>"] : takes === undefined ? [] : ["<dirnames>"];
      expect(await offered(line)).to.have.members([...left, ...words]);
    });
  }

  it("offers every command of the program, and options where nothing else can stand", async () => {
    const { commands } = readCommandTree();
    expect(await offered("s3-offload-agent ")).to.deep.equal(commands.map(({ name }) => name));
    expect(await offered("s3-offload-agent status ")).to.include("--json");
    expect(await offered("s3-offload-agent retry -- -")).to.deep.equal([]);
  });
});
