import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Config } from "../../../src/config/config.ts";
import { LanesPlace } from "../../support/lanes-place.ts";
import { goodConfig } from "../../support/parameter-sets.ts";

const SECOND = 1_000;

/** Two routes that sweep every second, or as it is said. */
function twoRoutes(
  prefix: string,
  { schedule = "rate(1 second)", one = at("one"), two = at("two") } = {},
): Config {
  return goodConfig({
    fleet: {
      bucket: "data",
      schedule,
      "routes/one/directory": one,
      "routes/one/prefix": `${prefix}-one/`,
      "routes/two/directory": two,
      "routes/two/prefix": `${prefix}-two/`,
    },
  });
}

let folder = "";
const at = (name: string) => join(folder, name);

describe("the lanes of routes", () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "lanes-"));
    for (const name of ["one", "two", "fresh", "broken"]) await mkdir(at(name));
  });
  after(() => rm(folder, { recursive: true }));

  it("let no sweep begin while a configuration waits, and then all go by the new one", async () => {
    const place = new LanesPlace();
    await place.lanes.apply(twoRoutes("old"), { isKnownGood: true });
    await place.clock.advance(2 * SECOND);
    expect(
      place.under.map(({ prefix }) => prefix).filter((one) => one !== "{host}/"),
    ).to.have.members(["old-one/", "old-two/"]);
    let isApplied = false;
    const applying = place.lanes.apply(twoRoutes("new"), { isKnownGood: false }).then(() => {
      isApplied = true;
    });
    await place.end("old-two/");
    const begun = place.begun.length;
    // It is due, and has to wait for the other one's end.
    await place.clock.advance(10 * SECOND);
    expect(place.begun).to.have.length(begun);
    expect(isApplied).to.equal(false);
    await place.end();
    await applying;
    await place.clock.advance(2 * SECOND);
    expect(place.begun.slice(begun)).to.have.members(
      place.begun.slice(begun).filter((prefix) => !prefix.startsWith("old")),
    );
    expect(place.begun.slice(begun)).to.include.members(["new-one/", "new-two/"]);
    await place.close();
    expect([...place.open]).to.deep.equal([]);
  });

  it("end a sweep that lasts for a configuration that waits, and go on with it at once", async () => {
    const place = new LanesPlace();
    await place.lanes.apply(twoRoutes("old", { schedule: "rate(1 day)" }), { isKnownGood: true });
    await place.clock.advance(86_400 * SECOND);
    await place.end("old-two/");
    const applying = place.lanes.apply(twoRoutes("new", { schedule: "rate(1 day)" }), {
      isKnownGood: false,
    });
    await place.clock.advance(59 * SECOND);
    expect(place.told).to.deep.equal([]);
    await place.clock.advance(SECOND);
    expect(place.told).to.deep.equal(["stop old-one/"]);
    const begun = place.begun.length;
    await place.clock.advance(600 * SECOND);
    expect(place.told).to.deep.equal(["stop old-one/", "cancel old-one/"]);
    await applying;
    await place.clock.advance(SECOND);
    // The other one had ended by itself: it waits for its time.
    expect(place.begun.slice(begun)).to.deep.equal(["new-one/"]);
    await place.end();
    await place.clock.advance(SECOND);
    expect(place.begun).to.have.length(begun + 1);
    await place.close();
  });

  it("go on as they were when a directory of the new configuration cannot be used", async () => {
    const place = new LanesPlace();
    await place.lanes.apply(twoRoutes("old"), { isKnownGood: true });
    place.broken.add(at("broken"));
    const bad = twoRoutes("new", { one: at("fresh"), two: at("broken") });
    const error = await place.lanes.apply(bad, { isKnownGood: false }).catch((thrown) => thrown);
    expect(error.message).to.equal(`${at("broken")} is broken`);
    expect(place.open.has(at("fresh")), "closed again").to.equal(false);
    await place.clock.advance(2 * SECOND);
    expect(place.begun).to.include.members(["old-one/", "old-two/"]);
    await place.close();
  });

  it("hand a directory on that has another route now, without closing it", async () => {
    const place = new LanesPlace();
    await place.lanes.apply(twoRoutes("old"), { isKnownGood: true });
    const swapped = twoRoutes("new", { one: at("two"), two: at("one") });
    await place.lanes.apply(swapped, { isKnownGood: false });
    expect([...place.open]).to.include.members([at("one"), at("two")]);
    await place.close();
    expect([...place.open]).to.deep.equal([]);
  });
});
