import { expect } from "chai";
import type { Rate } from "./rate-meter.ts";

/**
 * What is independent of each other and spread evenly has a count in each second that varies by the
 * square root of the mean. Six of those are not exceeded in a thousand runs; a fleet that moves
 * together exceeds them many times over.
 */
export function expectSpread(rate: Rate, what: string): void {
  expect(rate.peak, `${what}: most in a second, ${rate.mean.toFixed(1)} on average`).to.be.at.most(
    peakOfChance(rate.mean),
  );
}

/** The most that chance alone makes of so many a second. */
export function peakOfChance(mean: number): number {
  return mean + 6 * Math.sqrt(mean) + 3;
}
