import { execFile } from "node:child_process";
import { mkdir, mkdtempDisposable, readdir, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { makeOperator } from "../../tools/demo/operator.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";

const run = promisify(execFile);

describe("the merge gate", () => {
  let aws: LocalAws;
  /** A host on which a sweep was made: its clock is known, so that the next one begins at once. */
  let known: Awaited<ReturnType<typeof mkdtempDisposable>>;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own. The first sweep
    // of a host watches the clock for as long as a file has to settle.
    this.timeout(120_000);
    aws = await startLocalAws();
    known = await mkdtempDisposable(join(tmpdir(), "gate-"));
    const { sweep } = await makeHost("known", join(known.path, "first"), known.path);
    await sweep();
  });
  after(async () => {
    await aws.stop();
    await known.remove();
  });

  async function makeHost(fleet: string, folder: string, stateFolder = folder) {
    const watched = join(folder, "watched");
    await mkdir(watched, { recursive: true });
    const operator = makeOperator({ ...aws, fleet, host: "host-1", bucket: fleet });
    await operator.makeBucket();
    await operator.setParameter("bucket", fleet);
    await operator.setParameter("directory", watched);
    const bootstrap = join(folder, "agent.yaml");
    const state = join(stateFolder, "state");
    await writeFile(
      bootstrap,
      `fleet: ${fleet}\nhostId: host-1\nallowedRoots: [${watched}]\nstateDirectory: ${state}\n`,
    );
    const sweep = async () => {
      const args = ["src/main.ts", "sweep", "--json", "--config", bootstrap];
      const { stdout } = await run(process.execPath, args, { env: aws.environment() });
      return stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
    };
    return { watched, operator, sweep };
  }

  it("the generator once, then the agent: the file is in the bucket with the same bytes, and gone locally", async function () {
    // The file has to be 30 seconds old, which only time can make it: the first sweep of a host
    // waits for as long.
    this.timeout(90_000);
    await using folder = await mkdtempDisposable(join(tmpdir(), "gate-"));
    const { watched, operator, sweep } = await makeHost("gate", folder.path);
    const generator = ["tools/generate.ts", "--directory", watched, "--count", "1", "--json"];
    const { stdout } = await run(process.execPath, generator);
    const { name, sha256 } = JSON.parse(stdout);

    const events = await sweep();

    const objects = await operator.readObjects();
    expect([...objects]).to.deep.equal([[`host-1/${name}`, sha256]]);
    expect(await readdir(watched)).to.deep.equal([]);
    expect(events.at(-1)).to.include({ event: "sweep.completed", filesRemoved: 1 });
    const told = await operator.readRecords("/s3-offload-agent/gate/files");
    expect(told).to.have.length(1);
    expect(told[0]).to.include({ event: "file.removed", key: `host-1/${name}`, sha256 });
    const states = await operator.readRecords("/s3-offload-agent/gate");
    expect(states.filter((record) => "_aws" in record)).to.have.length(1);
  });

  for (const [what, hourOldMtime] of [
    ["mtime", false],
    ["ctime", true],
  ] as const) {
    it(`a file less than 30 seconds old is neither uploaded nor removed (${what})`, async () => {
      await using folder = await mkdtempDisposable(join(tmpdir(), "gate-"));
      const { watched, operator, sweep } = await makeHost(`young-${what}`, folder.path, known.path);
      const path = join(watched, "young.csv");
      await writeFile(path, "1,2,3\n");
      const anHourAgo = new Date(Date.now() - 3_600_000);
      // Setting mtime back is what `cp -p` and `touch -d` do; ctime still tells the truth.
      if (hourOldMtime) await utimes(path, anHourAgo, anHourAgo);

      const events = await sweep();

      expect(await readdir(watched)).to.deep.equal(["young.csv"]);
      expect([...(await operator.readObjects())]).to.deep.equal([]);
      expect(events.at(-1)).to.include({ filesWaiting: 1, filesRemoved: 0 });
    });
  }
});
