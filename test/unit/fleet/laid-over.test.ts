import { expect } from "chai";
import { parseFleetFile } from "../../../src/fleet/fleet-file.ts";
import { laidOver } from "../../../src/fleet/laid-over.ts";
import { parameterSet } from "../../support/parameter-sets.ts";

const PLACE = { parameterRoot: "/root", fleet: "web" };

describe("a fleet file laid over what is there", () => {
  const said = (text: string, there: Parameters<typeof parameterSet>[0]) => {
    const file = parseFleetFile(`fleet: web\n${text}`, "fleet.yaml");
    const set = laidOver(parameterSet(there), file, { place: PLACE, host: "h1" });
    return [...set.fleet, ...set.host].map(({ name, value, type }) => [name, value, type]);
  };

  it("changes and adds what it names, and leaves the rest, as an apply without --prune does", () => {
    const there = {
      fleet: { bucket: "old", prefix: "stays/" },
      host: { "min-age": "1m" },
    };
    const text = "settings: {bucket: new, concurrency: 3}\nhosts: {h1: {settings: {min-age: 2m}}}";
    expect(said(text, there)).to.have.deep.members([
      ["/root/fleets/web/bucket", "new", "String"],
      ["/root/fleets/web/prefix", "stays/", "String"],
      ["/root/fleets/web/concurrency", "3", "String"],
      ["/root/hosts/h1/min-age", "2m", "String"],
    ]);
  });

  it("is blind for the values of other hosts", () => {
    const text = "hosts: {h2: {settings: {min-age: 2m}}, h1: {}}";
    expect(said(text, {})).to.deep.equal([]);
  });

  it("knows routes and canaries by their names", () => {
    const text = "canary: {percent: 5, settings: {prefix: c/}}\nroutes: {raw: {directory: /raw}}";
    expect(said(text, {}).map(([name]) => name)).to.have.members([
      "/root/fleets/web/canary/percent",
      "/root/fleets/web/canary/prefix",
      "/root/fleets/web/routes/raw/directory",
    ]);
  });

  it("leaves alone what it says in other words, so that nothing seems to change", () => {
    const there = { fleet: { include: "*.a,*.b" }, types: { "fleet/include": "StringList" } };
    expect(said("settings: {include: ['*.a', '*.b']}", there)).to.deep.equal([
      ["/root/fleets/web/include", "*.a,*.b", "StringList"],
    ]);
  });
});
