import { execFileSync } from "node:child_process";
import { mkdtempDisposable, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { filesystemOf } from "../../../src/sweep/filesystem.ts";

/** Mounts something of its own on a folder and says what kind it is; leaves nothing behind. */
const ASK = `
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { filesystemOf } from ${JSON.stringify(import.meta.resolve("../../../src/sweep/filesystem.ts"))};
const [, folder, kind] = process.argv;
execFileSync("mount", ["-t", "tmpfs", "none", folder]);
let at = folder;
if (kind === "overlay") {
  for (const name of ["low", "up", "work", "merged"]) mkdirSync(folder + "/" + name);
  at = folder + "/merged";
  const layers = ["lower=low", "upper=up", "work=work"].map((one) => one.replace("=", "dir=" + folder + "/"));
  execFileSync("mount", ["-t", "overlay", "-o", layers.join(), "none", at]);
}
await using file = await open(at);
process.stdout.write(JSON.stringify(await filesystemOf(file.fd)));
`;

async function ask(kind: string): Promise<unknown> {
  await using folder = await mkdtempDisposable(`${tmpdir()}/s3oa-filesystem-`);
  const node = [process.execPath, "--input-type=module", "--eval", ASK, folder.path, kind];
  return JSON.parse(execFileSync("unshare", ["--mount", ...node], { encoding: "utf8" }));
}

describe("filesystemOf", () => {
  it("trusts leases on tmpfs", async () => {
    expect(await ask("tmpfs")).to.deep.equal({ name: "tmpfs", leases: "proof" });
  });

  it("takes them for a hint on overlayfs, although it grants them", async () => {
    expect(await ask("overlay")).to.deep.equal({ name: "overlayfs", leases: "hint" });
  });

  it("does not trust them on what it does not know, and names its number", async () => {
    await using file = await open("/proc/self");
    // PROC_SUPER_MAGIC of <linux/magic.h>.
    expect(await filesystemOf(file.fd)).to.deep.equal({ name: "0x9fa0", leases: "none" });
  });
});
