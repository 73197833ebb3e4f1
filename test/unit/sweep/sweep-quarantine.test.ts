import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { REFUSED } from "../../support/memory-store.ts";
import { makePlace, type SweepPlace } from "../../support/sweep-place.ts";

const HOUR = 3_600_000;
let count = 0;

/** One sweep of a place where every file called `bad` is refused, hours after the last one. */
async function sweepOf(place: SweepPlace, good: boolean) {
  place.store.reply = ({ key }) => (/bad/.test(key) ? REFUSED : "store");
  if (good) {
    count += 1;
    await writeFile(`${place.root}/good${count}`, `good ${count}`);
  }
  place.pass(7 * HOUR);
  return await place.run();
}

const requestsFor = ({ store }: SweepPlace, key: string) =>
  store.requests.filter((request) => request.key === key).length;

describe("sweep: quarantine", () => {
  it("a file that fails again and again while others go is set aside, and only told of then", async () => {
    await using place = await makePlace(0);
    await mkdir(`${place.root}/d`);
    await writeFile(`${place.root}/d/bad`, "bad");
    expect(await sweepOf(place, true)).to.include({ filesFailed: 1, filesQuarantined: 0 });
    await place.restart();
    expect(await sweepOf(place, true)).to.include({ filesFailed: 1, backlogFiles: 1 });
    expect(await sweepOf(place, true)).to.include({
      filesFailed: 1,
      filesQuarantined: 1,
      filesInQuarantine: 1,
    });
    expect(place.observer.notices).to.have.length(1);
    const [told] = place.observer.notices;
    expect(told?.path).to.equal("d/bad");
    expect(told?.notice).to.have.property("kind", "quarantined");
    expect(told?.notice).to.have.nested.include({ "attempt.failures": 3 });
    expect(await readFile(`${place.root}/.s3oa-quarantine/d/bad`, "utf8")).to.equal("bad");
    expect(requestsFor(place, "d/bad")).to.equal(3);

    // From now on it is counted, after a restart too, and left alone.
    for (let sweeps = 0; sweeps < 3; sweeps += 1) {
      await place.restart();
      const report = await sweepOf(place, true);
      expect(report).to.include({ filesInQuarantine: 1, filesFailed: 0, backlogFiles: 0 });
    }
    expect(requestsFor(place, "d/bad")).to.equal(3);
    expect(place.observer.notices).to.have.length(1);
  });

  it("nothing is set aside while nothing goes: the fault may be the destination's", async () => {
    await using place = await makePlace(0);
    await writeFile(`${place.root}/bad`, "bad");
    for (let sweeps = 0; sweeps < 5; sweeps += 1) {
      expect(await sweepOf(place, false)).to.include({ filesFailed: 1, filesQuarantined: 0 });
    }
    const [attempt] = place.context().attempts.list();
    expect(attempt?.counted).to.equal(0);
    // What failed then is not held against it: three sweeps in which others go are needed.
    for (const filesQuarantined of [0, 0, 1]) {
      expect(await sweepOf(place, true)).to.include({ filesQuarantined });
    }
  });

  it("never, if the setting says so", async () => {
    await using place = await makePlace(0);
    await writeFile(`${place.root}/bad`, "bad");
    place.store.reply = ({ key }) => (key === "bad" ? REFUSED : "store");
    for (let sweeps = 0; sweeps < 6; sweeps += 1) {
      await writeFile(`${place.root}/good`, `${sweeps}`);
      place.pass(7 * HOUR);
      const report = await place.run({ quarantineAfter: 0 });
      expect(report).to.include({ filesRemoved: 1, filesInQuarantine: 0 });
    }
  });

  it("a changed file is released, tried anew, and moved", async () => {
    await using place = await makePlace(0);
    await writeFile(`${place.root}/bad`, "bad");
    for (let sweeps = 0; sweeps < 3; sweeps += 1) await sweepOf(place, true);
    await writeFile(`${place.root}/.s3oa-quarantine/bad`, "mended");
    place.pass(7 * HOUR);
    place.store.reply = () => "store";
    await place.run();
    expect(place.observer.notices.at(-1)).to.deep.equal({
      path: "bad",
      notice: { kind: "released" },
    });
    expect(await readFile(`${place.root}/bad`, "utf8")).to.equal("mended");
    expect(await place.run()).to.include({ filesRemoved: 1, filesInQuarantine: 0 });
    expect(place.store.objects.get("bad")?.toString()).to.equal("mended");
  });

  it("a new file under the name of one in quarantine goes its way and does not free that one", async () => {
    await using place = await makePlace(0);
    await writeFile(`${place.root}/bad`, "bad");
    for (let sweeps = 0; sweeps < 3; sweeps += 1) await sweepOf(place, true);
    await writeFile(`${place.root}/bad`, "a good one");
    place.store.reply = () => "store";
    for (let sweeps = 0; sweeps < 3; sweeps += 1) {
      place.pass(7 * HOUR);
      expect(await place.run()).to.include({
        filesRemoved: sweeps === 0 ? 1 : 0,
        filesInQuarantine: 1,
      });
    }
    expect(place.store.objects.get("bad")?.toString()).to.equal("a good one");
    expect(await readFile(`${place.root}/.s3oa-quarantine/bad`, "utf8")).to.equal("bad");
  });

  it("its place in quarantine is taken: it stays where it is, and both are safe", async () => {
    await using place = await makePlace(0);
    for (const content of ["first bad", "second bad"]) {
      await writeFile(`${place.root}/bad`, content);
      for (let sweeps = 0; sweeps < 4; sweeps += 1) await sweepOf(place, true);
    }
    expect(await readFile(`${place.root}/bad`, "utf8")).to.equal("second bad");
    expect(await readFile(`${place.root}/.s3oa-quarantine/bad`, "utf8")).to.equal("first bad");
    expect(await sweepOf(place, true)).to.include({ filesInQuarantine: 1, filesFailed: 1 });
  });

  it("a file put into quarantine by somebody else is no file of the agent's: it goes to its place", async () => {
    await using place = await makePlace(0);
    await mkdir(`${place.root}/.s3oa-quarantine/d`, { recursive: true });
    await writeFile(`${place.root}/.s3oa-quarantine/d/f`, "content");
    await place.run();
    expect(await readFile(`${place.root}/d/f`, "utf8")).to.equal("content");
    // Directories that hold nothing any more go with it.
    expect(await readdir(`${place.root}/.s3oa-quarantine`)).to.deep.equal([]);
    expect(await place.run()).to.include({ filesRemoved: 1 });
  });

  it("a dry run releases nothing", async () => {
    await using place = await makePlace(0);
    await mkdir(`${place.root}/.s3oa-quarantine`);
    await writeFile(`${place.root}/.s3oa-quarantine/f`, "content");
    expect(await place.run({ isDryRun: true })).to.include({ filesInQuarantine: 1 });
    expect(await readdir(`${place.root}/.s3oa-quarantine`)).to.deep.equal(["f"]);
  });

  it("a link in the place of the quarantine leads nowhere: the file stays and is reported", async () => {
    await using place = await makePlace(0);
    await using other = await makePlace(0);
    await writeFile(`${place.root}/bad`, "bad");
    await symlink(other.root, `${place.root}/.s3oa-quarantine`);
    for (let sweeps = 0; sweeps < 4; sweeps += 1) {
      expect(await sweepOf(place, true)).to.include({
        filesFailed: 1,
        filesQuarantined: 0,
        filesInQuarantine: 0,
      });
    }
    expect(await other.left()).to.deep.equal([]);
    expect(await readFile(`${place.root}/bad`, "utf8")).to.equal("bad");
  });

  it("a file that changed or went after it failed is not the one to be set aside", async () => {
    for (const strike of ["change", "remove", "replace"] as const) {
      await using place = await makePlace(0);
      const bad = `${place.root}/bad`;
      await writeFile(bad, "bad");
      for (let sweeps = 0; sweeps < 2; sweeps += 1) await sweepOf(place, true);
      const { onOutcome } = place.observer;
      await writeFile(`${place.root}/.nfs1`, "another");
      const struck: Promise<unknown>[] = [];
      place.observer.onOutcome = (entry, outcome) => {
        onOutcome.call(place.observer, entry, outcome);
        if (entry.path.toString() !== "bad") return;
        if (strike === "change") struck.push(writeFile(bad, "changed"));
        else if (strike === "remove") struck.push(rm(bad));
        else struck.push(rename(`${place.root}/.nfs1`, bad));
      };
      place.store.onPut = async ({ key }) => {
        // The good one comes to its end only when all of this has happened.
        if (key.startsWith("good")) while (struck.length === 0) await new Promise(setImmediate);
        await Promise.all(struck);
      };
      expect(await sweepOf(place, true), strike).to.include({
        filesQuarantined: 0,
        filesInQuarantine: 0,
      });
      expect(await place.left()).not.to.include(".s3oa-quarantine");
    }
  });
});
