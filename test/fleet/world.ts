import { seededRandom } from "../../tools/generator/random.ts";
import { BucketModel } from "./bucket-model.ts";
import { LogModel } from "./log-model.ts";
import {
  DEFAULT_THROUGHPUT,
  ParameterStoreModel,
  type Throughput,
} from "./parameter-store-model.ts";
import { RateMeter } from "./rate-meter.ts";
import { VirtualTime } from "./virtual-time.ts";

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;

/** The fleets that every scenario is played with. */
export const FLEET_SIZES = [100, 10_000, 100_000] as const;

/** One account in one region, with its time. */
export interface World {
  readonly time: VirtualTime;
  readonly random: () => number;
  readonly store: ParameterStoreModel;
  readonly logs: LogModel;
  readonly bucket: BucketModel;
  readonly sweepStarts: RateMeter;
}

/** @param seed two worlds of one seed have the same history */
export function makeWorld(
  options: { readonly throughput?: Throughput; readonly seed?: number } = {},
) {
  // A quarter past an hour, so that nothing falls on a full one by chance.
  const time = new VirtualTime(Date.UTC(2026, 10, 24, 12, 15, 7, 321));
  const world: World = {
    time,
    random: seededRandom(options.seed ?? 1),
    store: new ParameterStoreModel(time, options.throughput ?? DEFAULT_THROUGHPUT),
    logs: new LogModel(time),
    bucket: new BucketModel(time),
    sweepStarts: new RateMeter(time.now()),
  };
  return world;
}

/** Host ids as EC2 gives them. */
export function hostIds(count: number): string[] {
  return Array.from(
    { length: count },
    (_, index) => `i-${(index * 2_654_435_761 + 97).toString(16).padStart(17, "0")}`,
  );
}
