import type { Mutation } from "./mutation.ts";

const REFRESHER = "unit/refresh/refresher.test.ts";
const CHANGES = "unit/refresh/changes.test.ts";
const LAST_GOOD = "unit/refresh/last-known-good.test.ts";
const BEATS = "unit/agent/heartbeats.test.ts";

/** What makes a change land whole or not at all, and what a fleet's size asks of each host. */
export const REFRESH_MUTATIONS: readonly Mutation[] = [
  {
    name: "a change is taken before it has settled",
    file: "refresh/refresher.ts",
    edits: [["if (!read.isSettled && !isWish)", "if (false)"]],
    foundBy: [CHANGES, "that goes on is read again"],
  },
  {
    name: "a reload waits for a change to settle",
    file: "refresh/refresher.ts",
    edits: [["if (!read.isSettled && !isWish)", "if (!read.isSettled)"]],
    foundBy: [CHANGES, "by a reload is taken at once"],
  },
  {
    name: "a change is judged by the host's clock",
    file: "refresh/full-read.ts",
    edits: [["this.#beganAt ??= page.answeredAt;", "this.#beganAt ??= Date.now();"]],
    foundBy: [CHANGES, "by the service's own clock"],
  },
  {
    name: "pages far apart are taken for one moment",
    file: "refresh/full-read.ts",
    edits: [["this.#beganAt ??= page.answeredAt;", "this.#beganAt = page.answeredAt;"]],
    foundBy: [CHANGES, "pages that are far apart"],
  },
  {
    name: "a read that failed begins anew",
    file: "refresh/refresher.ts",
    edits: [
      [
        "    const read = await pages.read(stop);\n    this.#reading = undefined;\n",
        "    this.#reading = undefined;\n    const read = await pages.read(stop);\n",
      ],
    ],
    foundBy: [CHANGES, "gone on with at the page that failed"],
  },
  {
    name: "the version that is remembered is the one polled after the read began",
    file: "refresh/refresher.ts",
    edits: [
      [
        "fleetVersion: polled?.fleetVersion,",
        "fleetVersion: read.set.fleet.find(({ name }) => name.endsWith('/revision'))?.version,",
      ],
    ],
    foundBy: [REFRESHER, "that came while everything was read"],
  },
  {
    name: "what is refused stays a wish",
    file: "refresh/refresher.ts",
    edits: [
      [
        "      // What was read before is not what is wished for any longer, either.\n      this.#desired = undefined;\n",
        "",
      ],
    ],
    foundBy: [CHANGES, "takes a good one that waits with it"],
  },
  {
    name: "a new revision is read at once by all hosts",
    file: "refresh/poll-plan.ts",
    edits: [
      ["return { ...seen, readInMs: fraction * spreadMs };", "return { ...seen, readInMs: 0 };"],
    ],
    foundBy: [REFRESHER, "of its spread"],
  },
  {
    name: "the host's own revision waits as the fleet's does",
    file: "refresh/poll-plan.ts",
    edits: [["  if (isHostNew) return { ...seen, readInMs: 0 };\n", ""]],
    foundBy: [REFRESHER, "of the host itself is read at once"],
  },
  {
    name: "a spread is not bounded",
    file: "refresh/poll-plan.ts",
    edits: [
      [
        "Math.min(polled.spreadMs ?? about.intervalMs, SPREAD_MS_MAX)",
        "(polled.spreadMs ?? about.intervalMs)",
      ],
    ],
    foundBy: ["unit/refresh/poll-plan.test.ts", "at most six hours"],
  },
  {
    name: "one absence of the revision is the end of it",
    file: "refresh/poll-plan.ts",
    edits: [["const ABSENCES_MAX = 3;", "const ABSENCES_MAX = 1;"]],
    foundBy: [REFRESHER, "after three absences"],
  },
  {
    name: "edits by hand are never caught",
    file: "refresh/refresher.ts",
    edits: [
      [
        "if (now >= this.#fullReadAt || readInMs === 0) return true;",
        "if (readInMs === 0) return true;",
      ],
    ],
    foundBy: [REFRESHER, "full read every six hours"],
  },
  {
    name: "polls have no place of the host's own",
    file: "refresh/poll-plan.ts",
    edits: [['stableFraction(hostId, "refresh") * intervalMs', "0 * intervalMs"]],
    foundBy: [REFRESHER, "has the host's place in the interval"],
  },
  {
    name: "polls have no jitter",
    file: "refresh/poll-plan.ts",
    edits: [["const POLL_JITTER = 0.1;", "const POLL_JITTER = 0;"]],
    foundBy: [REFRESHER, "moved by up to a tenth"],
  },
  {
    name: "a fleet without a configuration asks for one as one",
    file: "refresh/poll-plan.ts",
    edits: [
      ["  return random() * FIRST_READ_MS_MAX;", "  return 0 * random() * FIRST_READ_MS_MAX;"],
    ],
    foundBy: [REFRESHER, "random part of 30 seconds"],
  },
  {
    name: "a reboot is a reason to ask",
    file: "refresh/refresher.ts",
    edits: [
      ["if (lastKnownGood === undefined) this.#readAt", "this.#readAt"],
      ["    else this.#planPoll(true);\n", "    this.#planPoll(true);\n"],
    ],
    foundBy: [CHANGES, "is no event"],
  },
  {
    name: "a service that asks to be left alone is not",
    file: "refresh/refresher.ts",
    edits: [
      [
        "Math.max(fleetBackoffMs(failures, backoff, random), asked)",
        "fleetBackoffMs(failures, backoff, random + 0 * asked)",
      ],
    ],
    foundBy: [REFRESHER, "waits as long as the service asks for"],
  },
  {
    name: "the backoff does not grow",
    file: "refresh/refresher.ts",
    edits: [["fleetBackoffMs(failures, backoff", "fleetBackoffMs(1, backoff"]],
    foundBy: [REFRESHER, "asks again with the backoff"],
  },
  {
    name: "a last good configuration of which parts are missing is taken",
    file: "refresh/last-known-good.ts",
    edits: [['|| rest.length !== head["parameters"]', ""]],
    foundBy: [LAST_GOOD, "whole or nothing"],
  },
  {
    name: "another host's last good configuration is taken",
    file: "refresh/last-known-good.ts",
    edits: [["if (!isOurs || ", "if ("]],
    foundBy: [LAST_GOOD, "nobody else's"],
  },
  {
    name: "a slot is not written down before its heartbeat",
    file: "agent/heartbeats.ts",
    edits: [["    await this.#options.keepSlot(slot);\n", ""]],
    foundBy: [BEATS, "never two for one slot"],
  },
  {
    name: "a heartbeat counts for the slot after its own",
    file: "agent/heartbeats.ts",
    edits: [["if (isStillInSlot) await", "await"]],
    foundBy: [BEATS, "a slow disk has let pass"],
  },
  {
    name: "heartbeats are caught up at the start",
    file: "agent/heartbeats.ts",
    edits: [
      ["this.#isFree(here) && beatAt(hostId, here) >= now ? here", "this.#isFree(here) ? here"],
    ],
    foundBy: [BEATS, "not caught up"],
  },
  {
    name: "all hosts beat at once",
    file: "agent/heartbeats.ts",
    edits: [['stableFraction(hostId, "beat") * SPREAD_MS', "0 * SPREAD_MS"]],
    foundBy: [BEATS, "once in each slot"],
  },
  {
    name: "a larger percent moves the canaries",
    file: "config/canary.ts",
    edits: [['stableFraction(hostId, "canary")', "stableFraction(hostId, String(percent))"]],
    foundBy: ["unit/config/canary.test.ts", "percent"],
  },
  {
    name: "sweeps begin while a configuration waits",
    file: "agent/lanes.ts",
    edits: [["        while (this.#hold !== undefined && !end.aborted) await this.#hold;\n", ""]],
    foundBy: ["unit/agent/lanes.test.ts", "let no sweep begin"],
  },
  {
    name: "what was opened for a refused configuration stays open",
    file: "agent/lanes.ts",
    edits: [["          opened.use(route);\n", ""]],
    foundBy: ["unit/agent/lanes.test.ts", "go on as they were"],
  },
  {
    name: "a configuration waits for a backlog of hours",
    file: "agent/lanes.ts",
    edits: [['      stop.abort(new Error("a changed configuration waits"));\n', ""]],
    foundBy: ["unit/agent/lanes.test.ts", "end a sweep that lasts"],
  },
  {
    name: "what was left of a sweep waits for the schedule",
    file: "agent/lanes.ts",
    edits: [["    lane.isCut = endSweeps.stop.signal.aborted;\n", ""]],
    foundBy: ["unit/agent/lanes.test.ts", "end a sweep that lasts"],
  },
  {
    name: "a reload during a reload is forgotten",
    file: "refresh/refresher.ts",
    edits: [
      [
        "      this.#isWished = false;\n      try {\n        await this.#readAll(stop, true);\n",
        "      try {\n        await this.#readAll(stop, true);\n        this.#isWished = false;\n",
      ],
    ],
    foundBy: ["unit/refresh/changes.test.ts", "while the parameters are read"],
  },
];
