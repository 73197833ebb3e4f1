/** How much a record matters, from least to most. */
export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];

/**
 * Every event that the agent logs, with its level and what it says. The names are an interface:
 * saved queries and alarms use them. `file.*` goes to the group of files, the rest to the group of
 * states.
 */
export const EVENTS = {
  "agent.started": { level: "info", doc: "The agent begins its work." },
  "agent.stopping": {
    level: "info",
    doc: "A signal asks it to stop; files in flight are finished.",
  },
  "agent.stopped": { level: "info", doc: "It has stopped." },
  "agent.failed": { level: "error", doc: "It cannot work and ends; `hint` says the way out." },
  "host.cloned": {
    level: "warn",
    doc: "The state directory was written by another machine under this host id: two hosts may have it.",
  },
  "host.recalled": {
    level: "info",
    doc: "Whoever gives this host its id does not answer; it is known from an earlier start.",
  },
  "host.renamed": { level: "warn", doc: "This host had another id before." },
  "host.unsure": {
    level: "warn",
    doc: "Whoever should give this host its id does not answer; another source stands for it.",
  },
  "host.unsaved": {
    level: "warn",
    doc: "The host's id cannot be kept for the next start.",
  },
  "agent.heartbeat": {
    level: "info",
    doc: "Once in each five minutes of UTC: the host lives; carries its state in short.",
  },
  "config.applied": { level: "info", doc: "A configuration is in effect." },
  "config.refused": {
    level: "error",
    doc: "A changed configuration (`desiredHash`) is not valid or cannot be put into effect; the last good one (`configHash`) stays.",
  },
  "config.unreachable": {
    level: "warn",
    doc: "The parameters cannot be read; the last good ones stay.",
  },
  "config.reachable": { level: "info", doc: "The parameters can be read again." },
  "config.unsettled": {
    level: "debug",
    doc: "A parameter was written less than 30 seconds ago; all are read again 30 seconds later.",
  },
  "config.unknown-parameter": {
    level: "warn",
    doc: "A parameter has a name that this version does not know.",
  },
  "sweep.scheduled": { level: "debug", doc: "When the next sweep is." },
  "sweep.started": { level: "debug", doc: "A sweep begins." },
  "sweep.completed": { level: "info", doc: "A sweep has ended; carries the metrics." },
  "sweep.failed": { level: "error", doc: "A sweep could not be done at all." },
  "sweep.overran": { level: "warn", doc: "A sweep took so long that the next ones were left out." },
  "sweep.weakened": {
    level: "warn",
    doc: "Files were transferred without a lease; `reason` is the filesystem or the kernel's answer.",
  },
  "directory.unreadable": {
    level: "error",
    doc: "A part of the watched directory cannot be read.",
  },
  "directory.unfinished": {
    level: "warn",
    doc: "A directory that was watched before has leftovers of a crash that cannot be put right now.",
  },
  "clock.skewed": {
    level: "warn",
    doc: "The host's clock is behind S3's by so much; requests are signed with S3's time.",
  },
  "upload.damaged": {
    level: "warn",
    doc: "What was known of a large file's upload could not be read; the upload starts over.",
  },
  "upload.unwritable": {
    level: "warn",
    doc: "A large file's upload cannot be written down: it cannot go on after a restart.",
  },
  "upload.not-aborted": {
    level: "warn",
    doc: "An upload that is of no use any more stays in the bucket until its lifecycle rule ends it.",
  },
  "state.set-aside": {
    level: "warn",
    doc: "A file of the state directory could not be read; it was set aside and begun anew.",
  },
  "state.unwritable": {
    level: "error",
    doc: "The state directory cannot be written; the agent works on without it.",
  },
  "file.removed": { level: "info", doc: "The file is in the bucket, proved, and gone locally." },
  "file.kept": { level: "info", doc: "The file stays, for a reason that is no failure." },
  "file.failed": { level: "error", doc: "The file could not be transferred; it stays." },
  "file.waiting": { level: "debug", doc: "The file has not settled yet." },
  "file.ignored": { level: "debug", doc: "Not a file to take." },
  "file.deferred": { level: "debug", doc: "It failed before; its next try is not due yet." },
  "file.unsupported": {
    level: "warn",
    doc: "A link, FIFO, socket or device: never opened, told once.",
  },
  "file.unsettled": {
    level: "warn",
    doc: "It has been there for an hour or more and never settled: something keeps it open or changes it.",
  },
  "file.restored": {
    level: "info",
    doc: "A file that a crash had left under a name of the agent has its own name back.",
  },
  "file.quarantined": { level: "error", doc: "It failed again and again and was set aside." },
  "file.released": {
    level: "info",
    doc: "A quarantined file has changed and is back in its place.",
  },
  "file.rescued": {
    level: "warn",
    doc: "Somebody wrote to the file in the moment of its removal; what he wrote is in a file of its own.",
  },
  "file.opened-late": {
    level: "error",
    doc: "Somebody opened the file for writing in the moment of its removal; what he wrote is lost, or some of it.",
  },
  "file.planned": { level: "info", doc: "Dry run: what a sweep would do with the file." },
  "logs.unavailable": {
    level: "warn",
    doc: "CloudWatch Logs does not take the records; they wait in the spool.",
  },
  "logs.recovered": { level: "info", doc: "CloudWatch Logs takes the records again." },
  "logs.dropped": {
    level: "warn",
    doc: "So many records never reached `destination`; `reason`: `full` (the spool's limit; the oldest go first), `old` (older than 14 days), `damaged` (on disk), `memory` (its limit, where the disk takes no records; for `stdout`, where nobody reads it).",
  },
  "logs.rejected": {
    level: "warn",
    doc: "CloudWatch Logs did not take so many records: too old or too new for it, or not as they should be.",
  },
} as const satisfies Readonly<Record<string, { readonly level: Level; readonly doc: string }>>;

export type EventName = keyof typeof EVENTS;
