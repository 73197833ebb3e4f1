import type { Clock } from "../../src/lib/clock.ts";
import type { Alarm, VirtualTime } from "./virtual-time.ts";

/**
 * The clock of one loop of one host, which reads the common time.
 *
 * A loop sleeps a thousand times with one signal. Its clock therefore goes on listening to the last
 * signal instead of listening anew at every sleep, which would cost more than all the rest.
 */
export class VirtualClock implements Clock {
  readonly #time: VirtualTime;
  readonly #bootedAt: number;
  #listener: Listener | undefined;

  /** @param bootedAt when the host was booted, in wall-clock milliseconds; default: now */
  constructor(time: VirtualTime, bootedAt = time.now()) {
    this.#time = time;
    this.#bootedAt = bootedAt;
  }

  now(): number {
    return this.#time.now();
  }

  monotonic(): number {
    return this.#time.now() - this.#time.startedAt;
  }

  boottime(): number {
    return this.#time.now() - this.#bootedAt;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      // Rounded before the sum, in which a millionth of a millisecond would be lost.
      const at = this.#time.now() + Math.ceil(Math.max(0, ms));
      const listener = signal && this.#listenTo(signal);
      this.#time.set(new Sleeper(at, listener, resolve, reject));
    });
  }

  #listenTo(signal: AbortSignal): Listener {
    if (this.#listener?.signal === signal) return this.#listener;
    this.#listener?.leave();
    this.#listener = new Listener(signal);
    return this.#listener;
  }
}

class Sleeper implements Alarm {
  readonly at: number;
  readonly #listener: Listener | undefined;
  #resolve: (() => void) | undefined;
  #reject: ((reason: unknown) => void) | undefined;

  constructor(
    at: number,
    listener: Listener | undefined,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ) {
    this.at = at;
    this.#listener = listener;
    this.#resolve = resolve;
    this.#reject = reject;
    listener?.sleepers.push(this);
  }

  ring(): void {
    this.#listener?.forget(this);
    this.#resolve?.();
  }

  /** The alarm stays set until its time, but nobody hears it. */
  disturb(reason: unknown): void {
    this.#reject?.(reason);
    this.#resolve = undefined;
    this.#reject = undefined;
  }
}

/** Disturbs those who sleep with one signal. */
class Listener {
  readonly signal: AbortSignal;
  /** One, unless a loop sleeps twice at once. */
  sleepers: Sleeper[] = [];
  #isLeaving = false;

  constructor(signal: AbortSignal) {
    this.signal = signal;
    signal.addEventListener("abort", this);
  }

  handleEvent(): void {
    const sleepers = this.sleepers;
    this.sleepers = [];
    for (const sleeper of sleepers) sleeper.disturb(this.signal.reason);
  }

  forget(sleeper: Sleeper): void {
    const index = this.sleepers.indexOf(sleeper);
    if (index >= 0) this.sleepers.splice(index, 1);
    if (this.#isLeaving) this.leave();
  }

  /** Listens no more, once the last sleeper is awake. */
  leave(): void {
    this.#isLeaving = true;
    if (this.sleepers.length === 0) this.signal.removeEventListener("abort", this);
  }
}
