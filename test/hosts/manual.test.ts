import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { expect } from "chai";
import { renderManual } from "../../packaging/manual/manual.ts";
import { COMPLETION_CASES, FILES } from "../support/shells/cases.ts";

const run = promisify(execFile);
const ZSH_DRIVER = fileURLToPath(new URL("../support/shells/complete.zsh", import.meta.url));

/** The terminal's width says where lines break, and the locale how signs are shown. */
const ENV = { PATH: process.env["PATH"], LC_ALL: "C.UTF-8", MANWIDTH: "80" };

describe("the manual on a host", () => {
  let share: string;
  /** Where the shells stand: a folder with some files. */
  let folder: string;
  let pages: string[];

  before(async () => {
    share = await mkdtemp(join(tmpdir(), "manual-share-"));
    folder = await mkdtemp(join(tmpdir(), "manual-folder-"));
    const manual = renderManual({ version: "1.2.3", date: new Date("2026-11-24") });
    for (const [path, bytes] of manual) {
      await mkdir(dirname(join(share, path)), { recursive: true });
      await writeFile(join(share, path), bytes);
    }
    const names = [...manual.keys()].filter((path) => path.startsWith("man/"));
    pages = names.map((name) => join(share, name.replace(/\.gz$/, "")));
    for (const [index, name] of names.entries()) {
      await writeFile(pages[index] ?? "", gunzipSync(manual.get(name) ?? Buffer.of()));
    }
    for (const name of FILES) {
      if (name.endsWith("/")) await mkdir(join(folder, name));
      else await writeFile(join(folder, name), "");
    }
  });
  after(async () => {
    await rm(share, { recursive: true });
    await rm(folder, { recursive: true });
  });

  it("has pages that mandoc and groff take without a remark", async () => {
    expect(pages).to.have.length(4);
    for (const page of pages) {
      const lint = await run("mandoc", ["-T", "lint", page]).catch((error) => error);
      expect(lint).to.include({ stdout: "", stderr: "" });
      const groff = await run("groff", ["-ww", "-z", "-man", "-Tutf8", "-rLL=80n", page]);
      expect(groff).to.include({ stdout: "", stderr: "" });
    }
  });

  it("has pages whose commands can be copied, by either formatter", async () => {
    for (const page of pages) {
      const mandoc = (await run("mandoc", ["-T", "utf8", page], { env: ENV })).stdout;
      const groff = (await run("groff", ["-man", "-Tutf8", "-P-cbou", page], { env: ENV })).stdout;
      for (const text of [mandoc.replaceAll(/.[\b]/g, ""), groff]) {
        const lines = text.split("\n");
        expect(lines.length).to.be.above(40);
        // U+2010 and U+2212 look like the sign that is typed, and are another.
        const wrong = lines.filter((line) => /s3[‐−]|[‐−]off|[‐−][‐−]|load[‐−]/.test(line));
        expect(wrong, page).to.deep.equal([]);
      }
    }
  });

  for (const { line, words, names = [] } of COMPLETION_CASES) {
    const expected = [...words, ...names].sort();
    it(`lets zsh offer what belongs behind "${line}"`, async () => {
      expect(await zshOffers(line)).to.deep.equal(expected);
    });
    it(`lets fish offer what belongs behind "${line}"`, async () => {
      expect(await fishOffers(line)).to.deep.equal(expected);
    });
  }

  it("lets fish say what each command does", async () => {
    const { stdout } = await fish("s3-offload-agent ");
    expect(stdout).to.match(/^status\ttell how .*$/m);
  });

  it("lets bash complete a line on a terminal, with options, files and directories", async () => {
    const typed = [
      "s3-offload-agent sw\t--conf\tag\t",
      "s3-offload-agent run --config=fl\t",
      "s3-offload-agent allow sp\t",
      "s3-offload-agent fleet canary pro\t--y\t",
    ];
    expect(await bashRuns(typed)).to.deep.equal([
      "sweep --config agent.yaml",
      "run --config=fleet.yaml",
      "allow spool/",
      "fleet canary promote --yes",
    ]);
  });

  async function zshOffers(line: string): Promise<string[]> {
    const answers = join(share, "answers");
    await writeFile(answers, "");
    const directory = join(share, "zsh/site-functions");
    const args = ["-f", ZSH_DRIVER, directory, answers, line];
    await run("zsh", args, { cwd: folder, env: { ...ENV, HOME: share, TERM: "xterm" } });
    return distinct((await readFile(answers, "utf8")).split("\n"));
  }

  async function fishOffers(line: string): Promise<string[]> {
    const { stdout } = await fish(line);
    const offered = stdout.split("\n").map((text) => text.split("\t")[0] ?? "");
    // Of `--config=FILE` fish offers the whole word.
    return distinct(offered.map((word) => word.replace(/^--[a-z-]+=/, "").replace(/\/$/, "")));
  }

  function fish(line: string) {
    const completion = join(share, "fish/vendor_completions.d/s3-offload-agent.fish");
    const args = ["--no-config", "-c", `source ${completion}; complete -C $argv[1]`, line];
    return run("fish", args, { cwd: folder, env: { ...ENV, HOME: share } });
  }

  /** Types lines into an interactive bash. @returns what the program was called with, each time */
  async function bashRuns(lines: readonly string[]): Promise<string[]> {
    const answers = join(share, "answers");
    await writeFile(answers, "");
    const command = "bash --noprofile --norc -i";
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      cwd: folder,
      env: { ...ENV, HOME: share, INPUTRC: "/dev/null", TERM: "xterm" },
      stdio: ["pipe", "ignore", "inherit"],
    });
    const typed = [
      `. ${join(share, "bash-completion/completions/s3-offload-agent")}`,
      `s3-offload-agent() { echo "$@" >>${answers}; }`,
      ...lines,
      "exit",
    ];
    child.stdin.end(`${typed.join("\n")}\n`);
    expect(await once(child, "close")).to.deep.equal([0, null]);
    return (await readFile(answers, "utf8")).trim().split("\n");
  }
});

function distinct(words: readonly string[]): string[] {
  return [...new Set(words.filter((word) => word !== ""))].sort();
}
