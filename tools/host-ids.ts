import { beatAt, SLOT_MS } from "../src/agent/heartbeats.ts";

/** Enough that some twenty of them send their heartbeats within seconds of each other. */
const CANDIDATES = 400;

/**
 * Host ids by the time of their first heartbeat from a moment on, the earliest first: whoever picks
 * the first ones need not wait for up to five minutes for a heartbeat.
 * @param name what they begin with
 * @param from wall-clock milliseconds
 */
export function hostIdsByBeat(name: string, from: number): readonly string[] {
  const slot = Math.floor(from / SLOT_MS);
  const firstBeat = (id: string) => {
    const beat = beatAt(id, slot);
    return beat >= from ? beat : beatAt(id, slot + 1);
  };
  return Array.from({ length: CANDIDATES }, (_, n) => `${name}-${n + 1}`)
    .map((id) => ({ id, at: firstBeat(id) }))
    .sort((one, other) => one.at - other.at)
    .map(({ id }) => id);
}
