import { expect } from "chai";
import { nextPollAt } from "../../../src/refresh/poll-plan.ts";
import { seededRandom } from "../../../tools/generator/random.ts";

const INTERVAL_MS = 600_000;
const NOW = Date.UTC(2026, 10, 24, 12);
const HOSTS = Array.from({ length: 2_000 }, (_, index) => `h${index}`);

describe("the polls of a fleet", () => {
  it("spreads the first polls of hosts that start in one moment: hardly one is at once", () => {
    const random = seededRandom(1);
    const about = { now: NOW, intervalMs: INTERVAL_MS, isFirst: true };
    const inMs = HOSTS.map((hostId) => nextPollAt(hostId, about, random) - NOW);
    expect(Math.min(...inMs)).to.be.at.least(0);
    expect(Math.max(...inMs)).to.be.at.most(1.1 * INTERVAL_MS);
    // In a minute of ten come a tenth of the hosts, at most.
    const atOnce = inMs.filter((ms) => ms < 1_000).length;
    expect(atOnce).to.be.at.most(15);
    expect(inMs.filter((ms) => ms < 60_000).length).to.be.at.most(0.12 * HOSTS.length);
  });

  it("keeps a host's place from poll to poll, a tenth of the interval early or late", () => {
    const random = seededRandom(2);
    let now = nextPollAt("h1", { now: NOW, intervalMs: INTERVAL_MS, isFirst: true }, random);
    const place = Math.round(now / INTERVAL_MS);
    const phase = (at: number, nth: number) => at - (place + nth) * INTERVAL_MS;
    const first = phase(now, 0);
    for (let nth = 1; nth <= 500; nth += 1) {
      now = nextPollAt("h1", { now, intervalMs: INTERVAL_MS, isFirst: false }, random);
      expect(Math.abs(phase(now, nth) - first)).to.be.at.most(0.2 * INTERVAL_MS);
    }
  });
});
