import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { makeOperator } from "../../tools/demo/operator.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The commands of a section of the README, word for word. */
async function commandsOf(section: string): Promise<string> {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const [, part = ""] = new RegExp(`\n## ${section}\n([\\s\\S]*?)\n## `).exec(readme) ?? [];
  const blocks = [...part.matchAll(/^( *)```sh\n([\s\S]*?)^ *```$/gm)];
  return blocks
    .map(([, indent = "", block = ""]) => block.replace(new RegExp(`^${indent}`, "gm"), ""))
    .join("\n");
}

describe("the README", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  it("makes a fleet in five minutes, word for word", async function () {
    // A file settles for 30 seconds; the rest is a dozen starts of the program.
    this.timeout(180_000);
    await using folder = await mkdtempDisposable(join(tmpdir(), "readme-"));
    const bin = join(folder.path, "bin");
    await mkdir(bin);
    await writeFile(
      join(bin, "s3-offload-agent"),
      `#!/bin/sh\nexec ${process.execPath} ${join(ROOT, "src/main.ts")} "$@"\n`,
      { mode: 0o755 },
    );
    const operator = makeOperator({ ...aws, fleet: "web", host: "web-1", bucket: "my-bucket" });
    await operator.makeBucket();

    const child = spawn("sh", ["-eux"], {
      cwd: folder.path,
      env: { ...aws.environment(), HOME: folder.path, PATH: `${bin}:${process.env["PATH"]}` },
    });
    const commands = await commandsOf("A fleet in five minutes");
    expect(commands).to.include("fleet apply");
    child.stdin.end(`${commands}\ns3-offload-agent fleet pull --fleet web`);
    const [stdout, stderr, [exitCode]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    const said = `${stdout}\n${stderr}`;
    expect(exitCode, said).to.equal(0);
    expect(said).to.include("to add, 0 to change, 0 to remove");
    const keys = [...(await operator.readObjects()).keys()];
    expect(keys).to.have.length(1);
    expect(keys[0]).to.match(/^web\/web-1\/\d{4}\/\d\d\/\d\d\/hello\.txt$/);
    // The rollback is a release of its own, and the schedule is what it was.
    expect(said).to.include("less often");
    expect(stdout.slice(stdout.lastIndexOf("settings:"))).to.include("rate(5 minutes)");
  });
});
