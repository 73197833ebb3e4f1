import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const MAIN = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));

/** Every source file that is loaded before a command is known, and every package. */
function loadedWith(file: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(file, "utf8");
  for (const [, types, to = ""] of text.matchAll(
    /^(?:import|export)\s(type\s)?(?:[^"';]*?\sfrom\s)?"([^"]+)";/gm,
  )) {
    if (types !== undefined) continue;
    if (!to.startsWith(".")) seen.add(to);
    else if (to.endsWith(".ts")) loadedWith(resolve(dirname(file), to), seen);
  }
  return seen;
}

describe("the start of the program", () => {
  it("loads neither kernel calls nor the AWS SDK before it knows the command", () => {
    const loaded = [...loadedWith(MAIN)];
    expect(loaded.some((one) => one.endsWith("/cli/program.ts"))).to.equal(true);
    expect(loaded).to.include("commander");
    expect(
      loaded.filter((one) => /kernel\.ts$|^koffi$|^@aws-sdk|^@smithy/.test(one)),
    ).to.deep.equal([]);
  });
});
