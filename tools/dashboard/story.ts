import { fleetMetrics, routeMetrics } from "../../src/logs/emf.ts";
import type { LogRecord } from "../cloudwatch/metric-points.ts";

/** The fleet that the picture of the dashboard is of. */
export const STORY = {
  fleet: "web",
  routes: ["access-logs", "exports"],
  hosts: 40,
  /** Wall-clock milliseconds. */
  from: Date.UTC(2026, 10, 24, 0, 0),
  to: Date.UTC(2026, 10, 24, 12, 0),
} as const;

const MINUTE_MS = 60_000;
const SLOT_MS = 5 * MINUTE_MS;
const SWEEP_MS = 10 * MINUTE_MS;

/**
 * Twelve hours of a fleet, as its records: at 4:00 six hosts cannot upload for an hour and a half,
 * at 8:00 a new configuration is refused by three hosts for a while, and at 10:00 two hosts fall
 * silent. The same at each call.
 */
export function tellStory(): readonly LogRecord[] {
  const { hosts } = STORY;
  return Array.from({ length: hosts }, (_, index) => hostStory(index)).flat();
}

function hostStory(index: number): readonly LogRecord[] {
  const stream = `web-${String(index + 1).padStart(2, "0")}`;
  const endsAt = index >= STORY.hosts - 2 ? at(10) : STORY.to;
  const records: LogRecord[] = [];
  const write = (time: number, event: string, fields: object) => {
    const id = `${stream}-${records.length}`;
    const base = { time: new Date(time).toISOString(), fleet: STORY.fleet, host: stream, id };
    const message = JSON.stringify({ ...base, version: "0.1.0", event, ...fields });
    records.push({ at: time, stream, message });
  };
  const sweepPhase = Math.floor(wave(index, 7) * SWEEP_MS);
  for (let time = STORY.from; time < endsAt; time += MINUTE_MS) {
    if ((time - STORY.from) % SLOT_MS === 0) {
      write(time + 10_000, "agent.heartbeat", heartbeat(index, time + 10_000));
    }
    const isSweep = Math.floor((time - sweepPhase) / MINUTE_MS) % (SWEEP_MS / MINUTE_MS) === 0;
    if (!isSweep) continue;
    for (const [place, route] of STORY.routes.entries()) sweep(index, time, route, place, write);
  }
  return records;
}

/** Whether, and for how long, the host could not upload: of six hosts, from 4:00 to 5:30. */
function outageMs(index: number, time: number): number {
  const isOut = index < 6 && time >= at(4) && time < at(5.5);
  return isOut ? time - at(4) : 0;
}

function sweep(
  index: number,
  time: number,
  route: string,
  place: number,
  write: (time: number, event: string, fields: object) => void,
): void {
  const files = Math.round((place === 0 ? 10 : 3) * (0.7 + 0.6 * daily(time)));
  const lastMs = outageMs(index, time);
  const isCatchingUp = index < 6 && time >= at(5.5) && time < at(5.5) + SWEEP_MS;
  const removed = lastMs > 0 ? 0 : files * (isCatchingUp ? 10 : 1);
  const backlog = lastMs > 0 ? Math.round((files * lastMs) / SWEEP_MS) : 0;
  const base = 40 + 25 * daily(time) + (isCatchingUp ? 60 : 0);
  const latency = Array.from({ length: Math.min(removed, 100) }, (_, n) =>
    Math.round(base * (1 + 4 * wave(index + n, time / MINUTE_MS) ** 12)),
  );
  for (let n = 0; n < (lastMs > 0 ? 2 : 0); n += 1) {
    const reason = wave(n, index) < 0.6 ? "ETIMEDOUT" : "SlowDown";
    const message = reason === "SlowDown" ? "SlowDown: Please reduce your request rate." : reason;
    const path = `${new Date(time).toISOString().slice(11, 16)}-${n}.log`;
    write(time, "file.failed", { route, path, reason, scope: "service", message });
  }
  const metrics = {
    both: {
      FilesRemoved: removed,
      BytesRemoved: removed * (place === 0 ? 60_000 : 900_000),
      FilesFailed: lastMs > 0 ? 2 : 0,
      FilesQuarantined: 0,
      FilesOpenedLate: 0,
      SweepDurationMs: Math.round(300 + removed * base * 0.3),
      UploadLatencyMs: latency,
    },
    route: { BacklogFiles: backlog },
  };
  const about = { fleet: STORY.fleet, route };
  write(time, "sweep.completed", { route, ...routeMetrics(about, metrics, time) });
}

function heartbeat(index: number, time: number): Record<string, unknown> {
  const lastMs = outageMs(index, time);
  const isRefusing = index % 13 === 3 && time >= at(8) && time < at(8.6);
  const isBehind = isRefusing || (time >= at(8) && time < at(8) + wave(index, 3) * SWEEP_MS);
  const isLate = lastMs > 20 * MINUTE_MS && index < 2;
  const files = Math.round((13 * lastMs) / SWEEP_MS);
  const hours = (time - STORY.from) / 3_600_000;
  const metrics = {
    Heartbeats: 1,
    ExpectedHosts: STORY.hosts,
    HostsLate: Number(isLate),
    HostsBehind: Number(isBehind),
    HostsRefusing: Number(isRefusing),
    HostsCutOff: 0,
    HostsLosingCredentials: 0,
    CredentialsLifeSeconds: 21_600 - ((hours * 3_600 + index * 400) % 20_000),
    ConfigAgeSeconds: ((hours * 3_600 + index * 31) % 600) + 5,
    SweepsStarted: 1,
    SweepsCompleted: isLate ? 0 : 1,
    SweepsFailed: 0,
    SweepsOverran: Number(lastMs > 0 && index === 0),
    SweepsMissed: Number(lastMs > 0 && index === 0),
    FilesWaiting: 1,
    FilesInQuarantine: index === 4 && time >= at(5) ? 3 : 0,
    FilesUndeletable: index === 9 && time >= at(7) && time < at(9) ? 2 : 0,
    BacklogFiles: files,
    BacklogBytes: files * 250_000,
    OldestSettledAgeSeconds: Math.round(lastMs / 1_000),
    FreePercent: 62 - index * 0.4 - hours * 0.9 - (lastMs / 3_600_000) * 12,
    LogEventsWaiting: Math.round(8 * daily(time)) + (lastMs > 0 ? 40 : 0),
  };
  return {
    slot: new Date(Math.floor(time / SLOT_MS) * SLOT_MS).toISOString(),
    lastSweepAt: new Date(time - 90_000).toISOString(),
    backlogFiles: files,
    ...fleetMetrics(STORY.fleet, metrics, time),
  };
}

function at(hours: number): number {
  return STORY.from + hours * 3_600_000;
}

/** More by day than by night, from 0 to 1. */
function daily(time: number): number {
  return (1 - Math.cos(((time - STORY.from) / 86_400_000) * 2 * Math.PI)) / 2;
}

/** A number from 0 to 1 that looks like chance and is the same each time. */
function wave(one: number, other: number): number {
  const value = Math.sin(one * 12.9898 + other * 78.233) * 43_758.5453;
  return value - Math.floor(value);
}
