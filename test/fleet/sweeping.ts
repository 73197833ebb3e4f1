import { nextRun, type Schedule } from "../../src/schedule/schedule.ts";
import { Scheduler } from "../../src/schedule/scheduler.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { MINUTE_MS, type World } from "./world.ts";

/** A producer finishes one file a minute. */
const FILE_EVERY_MS = MINUTE_MS;
/** The default of the setting `concurrency`. */
const CONCURRENCY = 8;
/** How long S3 takes to answer. */
const PUT_MS = { least: 30, spread: 70 };

export interface Sweeping {
  readonly hostId: string;
  /** The host's place within the splay, in [0, 1). */
  readonly fraction: number;
  /** Asked before every sweep. */
  readonly scheduleOf: () => Schedule;
  readonly onSweep?: (now: number) => void;
}

/** Runs the product's scheduler for one host, with sweeps that write to the models. */
export async function sweepOnSchedule(
  world: World,
  { hostId, fraction, scheduleOf, onSweep }: Sweeping,
  stop: AbortSignal,
): Promise<void> {
  const clock = new VirtualClock(world.time);
  let takenUntil = clock.now();
  await new Scheduler(clock).run(
    async () => nextRun(scheduleOf(), clock.now(), fraction),
    async () => {
      world.sweepStarts.count(clock.now());
      onSweep?.(clock.now());
      let files = Math.floor((clock.now() - takenUntil) / FILE_EVERY_MS);
      while (files > 0) {
        // S3 that slows down leaves the rest for the next sweep.
        let taken = 0;
        while (taken < Math.min(files, CONCURRENCY) && world.bucket.put()) taken += 1;
        files -= taken;
        takenUntil += taken * FILE_EVERY_MS;
        if (taken === 0) break;
        await clock.sleep(PUT_MS.least + world.random() * PUT_MS.spread);
      }
      // The sweep's own record, and those of its files.
      for (const stream of [hostId, `files/${hostId}`]) world.logs.put(stream);
    },
    stop,
  );
}
