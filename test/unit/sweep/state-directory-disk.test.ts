import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { runOnTinyDisk } from "../../support/tiny-disk.ts";

const MODULE = JSON.stringify(import.meta.resolve("../../../src/sweep/state-directory.ts"));
const CLOCK = JSON.stringify(import.meta.resolve("../../../src/lib/clock.ts"));

describe("the state directory on a disk in trouble", () => {
  async function onTinyDisk(script: string): Promise<unknown> {
    await using folder = await mkdtempDisposable(`${tmpdir()}/s3oa-state-`);
    const head = `
      const { StateDirectory } = await import(${MODULE});
      const { systemClock } = await import(${CLOCK});
      const path = disk + "/lib/state";
      const openState = (isReadOnly = false) =>
        StateDirectory.open({ path, clock: systemClock, bootId: "b", isReadOnly });
      const said = {};`;
    return runOnTinyDisk(
      folder.path,
      `${head}${script}\nprocess.stdout.write(JSON.stringify(said));`,
    );
  }

  for (const [what, code, begin, end] of [
    ["full", "ENOSPC", "fill();", "makeRoom();"],
    ["read-only", "EROFS", "setReadOnly(true);", "setReadOnly(false);"],
  ] as const) {
    it(`${what} before it could be made: the agent works, says so, and it is made later`, async () => {
      const said = (await onTinyDisk(`
        ${begin}
        const state = await openState();
        await state.addRoot("/watched");
        said.roots = state.roots;
        said.problem = state.problem;
        ${end}
        await state.saveHost();
        said.later = state.problem ?? "none";
        await state[Symbol.asyncDispose]();
        said.names = fs.readdirSync(path);
        said.kept = (await openState(true)).roots;`)) as Record<string, unknown>;
      expect(said["problem"]).to.match(new RegExp(`/(ledger|attempts|host): ${code}$`));
      delete said["problem"];
      const later = (said["later"] as string).replace(/.*: /, "");
      // The ledger has not been written to since.
      expect(later).to.be.oneOf(["none", code]);
      delete said["later"];
      expect(said).to.deep.equal({
        roots: ["/watched"],
        names: ["host"],
        kept: ["/watched"],
      });
    });

    it(`${what} with a state on it: what is known stays known`, async () => {
      const said = await onTinyDisk(`
        const first = await openState();
        await first.addRoot("/watched");
        await first[Symbol.asyncDispose]();
        ${begin}
        const state = await openState();
        said.roots = state.roots;
        said.isLocked = await openState().then(() => false, ({ exitCode }) => exitCode === 4);
        await state[Symbol.asyncDispose]();`);
      expect(said).to.deep.equal({ roots: ["/watched"], isLocked: true });
    });
  }
});
