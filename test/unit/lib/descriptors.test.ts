import { execFileSync } from "node:child_process";
import { expect } from "chai";

const MODULE = import.meta.resolve("../../../src/lib/descriptors.ts");

/** What a process says that was given so many descriptors. */
function askWith(descriptors: number): number {
  const script = `
    import { openFilesMax } from "${MODULE}";
    process.stdout.write(String(await openFilesMax()));`;
  const node = [process.execPath, "--input-type=module", "--eval", script];
  const limits = `ulimit -n ${descriptors} && exec "$@"`;
  return Number(execFileSync("sh", ["-c", limits, "sh", ...node], { encoding: "utf8" }));
}

describe("openFilesMax", () => {
  it("leaves descriptors for everything else", () => {
    expect(askWith(1_024)).to.equal(480);
    expect(askWith(264)).to.equal(100);
  });

  it("is never less than one file", () => {
    expect(askWith(40)).to.equal(1);
  });
});
