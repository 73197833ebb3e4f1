import type { Mutation } from "./mutation.ts";

const LATENESS = "unit/schedule/lateness.test.ts";
const LANES = "unit/agent/lane-reports.test.ts";
const HEARTBEAT = "unit/agent/heartbeat-record.test.ts";
const BEFORE = "unit/agent/before-heartbeat.test.ts";
const GAUGES = "unit/sweep/sweep-gauges.test.ts";
const EMF = "unit/logs/emf.test.ts";
const RENEWAL = "unit/aws/credentials/credentials.test.ts";

/** What alarms rest on: numbers that say what happened, and a heartbeat that comes whatever hangs. */
export const METRICS_MUTATIONS: readonly Mutation[] = [
  {
    name: "one due time without a sweep is late",
    file: "schedule/lateness.ts",
    edits: [["nextRun(schedule, dueAt, fraction) - since", "dueAt - since"]],
    foundBy: [LATENESS, "from the last but one due time on"],
  },
  {
    name: "a busy second is late",
    file: "schedule/lateness.ts",
    edits: [["const LATE_MS_MIN = 60_000;", "const LATE_MS_MIN = 0;"]],
    foundBy: [LATENESS, "more often than each half minute"],
  },
  {
    name: "a suspended machine is late",
    file: "agent/lane.ts",
    edits: [["clock.monotonic() - lateSince.monotonic", "clock.now() - lateSince.now"]],
    foundBy: [LANES, "misses nothing and is not late"],
  },
  {
    name: "each start of the agent is a new beginning",
    file: "agent/lanes.ts",
    edits: [["this.#config === undefined ? waitedMs : 0", "0 * waitedMs"]],
    foundBy: [LANES, "however often it is started"],
  },
  {
    name: "due times in a suspend are missed",
    file: "agent/lanes.ts",
    edits: [
      [
        "this.#options.clock.monotonic() - underWay.since",
        "this.#options.clock.now() - underWay.dueAt",
      ],
    ],
    foundBy: [LANES, "misses no due time of its sleep"],
  },
  {
    name: "a sweep that was cut has completed",
    file: "agent/lanes.ts",
    edits: [["if (!report.isInterrupted) lane.lateSince", "lane.lateSince"]],
    foundBy: [LANES, "cut for a configuration has not completed"],
  },
  {
    name: "each configuration is a new beginning",
    file: "agent/lanes.ts",
    edits: [["(isAsBefore ? same?.lateSince : undefined)", "(isAsBefore ? undefined : undefined)"]],
    foundBy: [LANES, "cut for a configuration has not completed"],
  },
  {
    name: "another schedule's due times count",
    file: "agent/lanes.ts",
    edits: [["(isAsBefore ? same?.lateSince : undefined)", "same?.lateSince"]],
    foundBy: [LANES, "are due by it from now on"],
  },
  {
    name: "missed due times count again at each heartbeat",
    file: "agent/lanes.ts",
    edits: [["    underWay.missed = missed;\n", ""]],
    foundBy: [LANES, "each once"],
  },
  {
    name: "sweeps count again at each heartbeat",
    file: "agent/lanes.ts",
    edits: [["    this.#counts = NO_SWEEPS;\n", ""]],
    foundBy: [LANES, "are counted once"],
  },
  {
    name: "a restart forgets what is in quarantine",
    file: "agent/lanes.ts",
    edits: [[" ?? state.lastSweep(routeConfig.name)", ""]],
    foundBy: [LANES, "that of the run before"],
  },
  {
    name: "what another directory held is taken for this one's",
    file: "agent/lanes.ts",
    edits: [["lastSweep: isOfOther ? undefined : lastSweep,", "lastSweep,"]],
    foundBy: [LANES, "that of the run before"],
  },
  {
    name: "the oldest file does not grow older between sweeps",
    file: "agent/heartbeat-record.ts",
    edits: [[" + Math.round(sinceSweepMs / 1_000)", " + 0 * sinceSweepMs"]],
    foundBy: [HEARTBEAT, "grows older between sweeps"],
  },
  {
    name: "an empty directory grows older",
    file: "agent/heartbeat-record.ts",
    edits: [[" || lastSweep.backlogFiles === 0", ""]],
    foundBy: [HEARTBEAT, "no backlog"],
  },
  {
    name: "sweeps and heartbeats both count for the fleet",
    file: "agent/sweep-records.ts",
    edits: [
      [
        "      UploadLatencyMs: report.uploadLatencyMs,\n",
        "      UploadLatencyMs: report.uploadLatencyMs,\n      BacklogFiles: report.backlogFiles,\n",
      ],
      ["    route: {\n      FilesWaiting: report.filesWaiting,\n", "    route: {\n"],
    ],
    foundBy: [HEARTBEAT, "nothing counts in two"],
  },
  {
    name: "a disk that hangs holds up the heartbeat",
    file: "agent/before-heartbeat.ts",
    edits: [["within(freePercentOf(path))", "freePercentOf(path)"]],
    foundBy: [BEFORE, "does not hold it up"],
  },
  {
    name: "a service that hangs holds up the heartbeat",
    file: "agent/before-heartbeat.ts",
    edits: [["within(about.renewCredentials())", "about.renewCredentials()"]],
    foundBy: [BEFORE, "does not hold it up"],
  },
  {
    name: "credentials that are due wait for a request",
    file: "aws/credentials/credentials.ts",
    edits: [
      ['if (!isWanted || (this.#stage() === "fresh"', 'if (isWanted || (this.#stage() === "fresh"'],
    ],
    foundBy: [RENEWAL, "though nobody needs them now"],
  },
  {
    name: "a file that was uploaded before counts as an upload of no time",
    file: "sweep/transfer.ts",
    edits: [["if (proved.attempts > 0) context", "context"]],
    foundBy: [GAUGES, "nothing of files that were not uploaded"],
  },
  {
    name: "a sweep that is cut short forgets what it did not come to",
    file: "sweep/sweep.ts",
    edits: [["    this.#tally.addKnown(attempts.count(root));\n", ""]],
    foundBy: [GAUGES, "does not come to them"],
  },
  {
    name: "what is in quarantine is set aside anew in each sweep",
    file: "sweep/report.ts",
    edits: [
      ["filesQuarantined: this.filesQuarantined,", "filesQuarantined: this.filesInQuarantine,"],
    ],
    foundBy: [GAUGES, "only in its own"],
  },
  {
    name: "more values than a metric takes",
    file: "logs/emf.ts",
    edits: [[".slice(0, METRIC_VALUES_MAX)", ""]],
    foundBy: [EMF, "no more values than are taken"],
  },
  {
    name: "what is no number is written",
    file: "logs/emf.ts",
    edits: [["return Number.isFinite(value) ? [[name, value]] : [];", "return [[name, value]];"]],
    foundBy: [EMF, "keep the specification"],
  },
];
