/**
 * Loaded into the agent's process by `node --import`: its monotonic clock, its timers and the idle
 * times of its connections run HURRY times as fast, so that minutes of waiting take seconds. The
 * wall clock is the real one.
 */

import { syncBuiltinESMExports } from "node:module";
import { Socket } from "node:net";
import timers from "node:timers";
import timersPromises from "node:timers/promises";

const factor = Number(process.env["HURRY"] ?? "1");

const realNow = performance.now.bind(performance);
Object.defineProperty(performance, "now", { value: () => realNow() * factor });

const { setTimeout: realSetTimeout } = timers;
const hurried = (call: (...args: never[]) => void, ms = 0, ...args: never[]) =>
  realSetTimeout(call, ms / factor, ...args);
Object.defineProperties(hurried, Object.getOwnPropertyDescriptors(realSetTimeout));
Object.assign(timers, { setTimeout: hurried });
Object.assign(globalThis, { setTimeout: hurried });

const { setTimeout: realSleep } = timersPromises;
Object.assign(timersPromises, {
  setTimeout: (ms: number, value: unknown, options: object) =>
    realSleep(ms / factor, value, options),
});
syncBuiltinESMExports();

const { setTimeout: setIdleTime } = Socket.prototype;
Socket.prototype.setTimeout = function (ms, callback) {
  return setIdleTime.call(this, Math.ceil(ms / factor), callback);
};
