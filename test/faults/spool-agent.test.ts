import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { makeHostWithFakeS3, produceSome } from "../support/fault-cases.ts";
import type { FaultHost } from "../support/fault-host.ts";

/** A flush gives up after ten seconds; a sweep takes less than one. */
const TIMEOUT_MS = 60_000;

type Fields = Readonly<Record<string, unknown>>;

/** Every record that CloudWatch Logs has of a host. */
function arrivedOf({ aws }: FaultHost): Fields[] {
  return [...aws.logs.values()].flat().map((message): Fields => JSON.parse(message));
}

const removedOf = (records: readonly Fields[]) =>
  records
    .filter(({ event }) => event === "file.removed")
    .map(({ path }) => path)
    .toSorted();

describe("an agent and CloudWatch Logs out of reach", function () {
  this.timeout(TIMEOUT_MS);

  it("does its work, keeps its records on disk, and the next one sends them with their own time", async () => {
    await using host = await makeHostWithFakeS3();
    host.aws.isLogsDown = true;
    await produceSome(host);
    const first = await host.sweep();
    expect([first.exitCode, await host.left()]).to.deep.equal([0, []]);
    expect(first.stderr).to.match(/\d+ log records .* wait on disk/);
    expect(arrivedOf(host)).to.deep.equal([]);

    host.aws.isLogsDown = false;
    await host.produce("later.csv", "later");
    expect((await host.sweep()).exitCode).to.equal(0);
    const arrived = arrivedOf(host);
    expect(removedOf(arrived)).to.deep.equal([...removedOf(first.records), "later.csv"].toSorted());
    const times = new Map(first.records.map(({ path, time }) => [path, time]));
    for (const { event, path, time } of arrived) {
      if (event === "file.removed" && path !== "later.csv") expect(time).to.equal(times.get(path));
    }
    // Nothing is left to be sent.
    for (const name of ["state", "files"]) {
      expect(await readdir(join(host.state, "spool", name))).to.deep.equal(["cursor"]);
    }
  });

  it("sends after a kill what it had written before", async () => {
    await using host = await makeHostWithFakeS3();
    host.aws.isLogsDown = true;
    await produceSome(host);
    // The last step of a sweep: its records are on disk by then, all but the very last ones.
    const steps = await host.trace({ op: "^unlink$|kernel:unlinkat" });
    await produceSome(host);
    const killed = await host.sweep({
      op: "^unlink$|kernel:unlinkat",
      at: steps.length,
      action: "kill-after",
    });
    expect(killed.killedBy).to.equal("SIGKILL");
    host.aws.isLogsDown = false;
    expect((await host.sweep()).exitCode).to.equal(0);
    const removed = new Set(removedOf(arrivedOf(host)));
    const told = removedOf(killed.records).slice(0, -1);
    for (const path of told) expect([...removed]).to.include(path);
    const ids = arrivedOf(host).map(({ id }) => id);
    expect(ids).to.not.include(undefined);
    expect(new Set(ids).size).to.equal(ids.length);
  });
});
