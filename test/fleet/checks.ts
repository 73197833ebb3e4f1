import { expect } from "chai";
import type { Rate } from "./rate-meter.ts";
import type { World } from "./world.ts";

/**
 * What is independent of each other and spread evenly has a count in each second that varies by the
 * square root of the mean, times that of how many come in one go. Six of those are not exceeded in
 * a thousand runs; a fleet that moves together exceeds them many times over.
 * @param about.mean default: what was counted on average
 * @param about.inOneGo how many requests a host makes one right after the other, at most
 */
export function expectSpread(
  rate: Rate,
  what: string,
  about: { readonly mean?: number; readonly inOneGo?: number } = {},
): void {
  const { mean = rate.mean, inOneGo = 1 } = about;
  const text = `${what}: most in a second, ${mean.toFixed(1)} on average`;
  expect(rate.peak, text).to.be.at.most(peakOfChance(mean, inOneGo));
}

/** The most that chance alone makes of so many a second. */
export function peakOfChance(mean: number, inOneGo = 1): number {
  return mean + 6 * Math.sqrt(mean * inOneGo) + 3;
}

/** What the Parameter Store was asked within a span of wall-clock milliseconds. */
export function getsBetween({ store }: World, from: number, until: number) {
  expect(store.wrongRequests, "requests that SSM would refuse").to.deep.equal([]);
  const gets = store.gets.between(from, until);
  const throttled = store.throttledGets.between(from, until).total;
  return { gets, throttledShare: throttled / Math.max(1, gets.total) };
}

/** A number for the report. */
export function shown(value: number): string {
  return Number.isInteger(value) ? `${value}` : value.toFixed(1);
}

/** A share of all, for the report. */
export function shareShown(share: number): string {
  return `${(100 * share).toFixed(share > 0 && share < 0.1 ? 2 : 0)} %`;
}

/** A span for the report. @param ms milliseconds */
export function spanShown(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}
