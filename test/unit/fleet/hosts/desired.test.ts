import { expect } from "chai";
import { cohortOf } from "../../../../src/config/canary.ts";
import { configHash } from "../../../../src/config/config-hash.ts";
import type { Parameter } from "../../../../src/config/parameters.ts";
import { desiredConfigs } from "../../../../src/fleet/hosts/desired.ts";
import { pathsOf } from "../../../../src/fleet/keys.ts";
import { NOW } from "../../../support/heartbeats.ts";

const place = { parameterRoot: "/s3-offload-agent", fleet: "web" };

const parametersAt = (path: string, values: Readonly<Record<string, string>>): Parameter[] =>
  Object.entries(values).map(([leaf, value]) => ({
    name: `${path}/${leaf}`,
    type: "String",
    value,
    version: 1,
    lastModifiedAt: 0,
  }));

/** @param ofHosts the parameters of hosts by their id */
function configsOf(
  fleet: Readonly<Record<string, string>>,
  ofHosts: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
) {
  const state = {
    place,
    fleet: parametersAt("/s3-offload-agent/fleets/web", fleet),
    parts: [],
    hosts: new Map(
      Object.entries(ofHosts).map(([host, values]) => [
        host,
        parametersAt(`/s3-offload-agent/hosts/${host}`, values),
      ]),
    ),
  };
  return { state, configs: desiredConfigs(state, NOW) };
}

const isCanary = (percent: number) => (host: string) => cohortOf(host, percent) === "canary";
const hosts = Array.from({ length: 50 }, (_, index) => `web-${index}`);

describe("desiredConfigs", () => {
  it("knows each host's configuration as the host makes it: stable, canary, its own", () => {
    const fleet = { bucket: "landing", "canary/percent": "30", "canary/prefix": "new/" };
    const own = { prefix: "mine/" };
    const { state, configs } = configsOf(fleet, { "web-7": own });
    for (const host of hosts) {
      const set = { fleet: state.fleet, host: state.hosts.get(host) ?? [] };
      const cohort = cohortOf(host, 30);
      expect(configs.of(host).hash, host).to.equal(configHash(set, pathsOf(place, host), cohort));
      expect(configs.of(host).cohort, host).to.equal(cohort);
    }
    const stable = hosts.filter((host) => !isCanary(30)(host) && host !== "web-7");
    const canaries = hosts.filter((host) => isCanary(30)(host) && host !== "web-7");
    const hashes = (names: readonly string[]) =>
      new Set(names.map((host) => configs.of(host).hash));
    expect(hashes(stable).size).to.equal(1);
    expect(hashes(canaries).size).to.equal(1);
    expect(hashes(hosts).size).to.equal(3);
  });

  it("tells that every host will refuse it, and why", () => {
    const { configs } = configsOf({ bucket: "landing", concurrency: "many" });
    expect(configs.of("web-1").refusal).to.match(/fleets\/web\/concurrency /);
    expect(configsOf({ bucket: "landing" }).configs.of("web-1").refusal).to.equal(undefined);
  });

  it("does not hold against a configuration what a host's own file may allow", () => {
    const { configs } = configsOf({ bucket: "b-1", "min-age": "0s", "on-conflict": "overwrite" });
    expect(configs.of("web-1").refusal).to.equal(undefined);
  });

  for (const [schedule, hours] of [
    ["rate(10 minutes)", 1 / 6],
    ["0 3 * * *", 24],
    ["0 3 * * MON-FRI", 72],
  ] as const) {
    it(`knows the longest time between two sweeps of ${schedule}`, () => {
      const { configs } = configsOf({ bucket: "landing", schedule });
      expect(configs.of("web-1").sweepIntervalMs).to.equal(hours * 3_600_000);
    });
  }

  it("knows how many hosts there should be", () => {
    expect(configsOf({ "expected-hosts": "12" }).configs.expectedHosts).to.equal(12);
    expect(configsOf({}).configs.expectedHosts).to.equal(undefined);
  });
});
