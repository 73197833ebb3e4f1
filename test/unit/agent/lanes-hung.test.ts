import { mkdir, mkdtempDisposable, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { QUIET_MS_MAX } from "../../../src/lib/progress.ts";
import { LanesPlace } from "../../support/lanes-place.ts";
import { goodConfig } from "../../support/parameter-sets.ts";

const MINUTE = 60_000;

describe("lanes that are watched", () => {
  it("a sweep that does not get on hangs, its route is named, and one that has ended does not", async () => {
    await using folder = await mkdtempDisposable(join(await realpath(tmpdir()), "lanes-hung-"));
    await mkdir(join(folder.path, "one"));
    const place = new LanesPlace();
    const fleet = {
      bucket: "data",
      schedule: "rate(10 minutes)",
      splay: "0s",
      "routes/one/directory": join(folder.path, "one"),
      "routes/one/prefix": "one/",
    };
    await place.lanes.apply(goodConfig({ fleet }), { isKnownGood: true });
    await place.clock.advance(9 * MINUTE);
    expect(place.progress.quiet(), "idle").to.deep.equal([]);
    await place.clock.advance(MINUTE + QUIET_MS_MAX);
    expect(place.progress.quiet()).to.have.length(1);
    expect(place.progress.quiet()[0]).to.include({ name: "the sweep of route one" });
    expect(place.lanes.reports[0]?.underWay).to.include({ filesDone: 0, filesInFlight: 0 });
    await place.end();
    expect(place.progress.quiet()).to.deep.equal([]);
    await place.close();
  });
});
