import { expect } from "chai";
import { changesBetween, routeChanges } from "../../../src/cli/config-changes.ts";
import { goodConfig, PATHS } from "../../support/parameter-sets.ts";

describe("what a configuration would change", () => {
  const before = goodConfig({ fleet: { bucket: "one-bucket" } });

  it("is nothing between two that say the same, wherever they say it", () => {
    const same = goodConfig({
      fleet: { bucket: "other", prefix: "{host}/" },
      host: { bucket: "one-bucket" },
    });
    expect(changesBetween(before, same)).to.deep.equal([]);
  });

  it("is each setting with both values as people write them, and where the new one comes from", () => {
    const after = goodConfig({
      fleet: { bucket: "one-bucket", "min-age": "90s", "log-level": "debug", tags: "a=b,c=d" },
      host: { "min-age": "2m" },
    });
    expect(changesBetween(before, after)).to.deep.equal([
      {
        route: undefined,
        setting: "log-level",
        from: "info",
        to: "debug",
        parameter: `${PATHS.fleet}/log-level`,
      },
      {
        route: "default",
        setting: "min-age",
        from: "30s",
        to: "2m",
        parameter: `${PATHS.host}/min-age`,
      },
      {
        route: "default",
        setting: "tags",
        from: "none",
        to: "a=b,c=d",
        parameter: `${PATHS.fleet}/tags`,
      },
    ]);
    const back = changesBetween(after, before).find(({ setting }) => setting === "min-age");
    expect(back).to.include({ from: "2m", to: "30s", parameter: undefined });
  });

  it("is a route that begins or ends", () => {
    const after = goodConfig({
      fleet: { bucket: "one-bucket", directory: "/a", "routes/raw/directory": "/b" },
    });
    const names = (routes: readonly { readonly name: string }[]) => routes.map(({ name }) => name);
    expect(names(routeChanges(before, after).added)).to.deep.equal(["raw"]);
    expect(names(routeChanges(after, before).ended)).to.deep.equal(["raw"]);
    expect(names(routeChanges(before, after).ended)).to.deep.equal([]);
  });
});
