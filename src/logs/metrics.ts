/** Those of CloudWatch's units that the agent uses. */
export type MetricUnit = "Count" | "Bytes" | "Milliseconds" | "Seconds" | "Percent";

export interface MetricAbout {
  readonly unit: MetricUnit;
  /** What one value says; how the values of several hosts or sweeps go together. */
  readonly doc: string;
}

/**
 * Every metric of the agent. The names are an interface: alarms and dashboards use them, and a name
 * never changes its meaning. Which record carries which, by which dimensions, is said by the
 * functions that make those records: `sweepFields`, `heartbeatFields` and the shipper's reports.
 */
export const METRICS = {
  // What sweeps did: sums over time are what happened.
  FilesRemoved: {
    unit: "Count",
    doc: "Files that this sweep moved: in the bucket, proved, gone locally. Sum over any time.",
  },
  BytesRemoved: {
    unit: "Bytes",
    doc: "Bytes of the files that this sweep moved. Sum over any time.",
  },
  FilesFailed: {
    unit: "Count",
    doc: "Transfers that failed in this sweep. A file that fails in each of three sweeps counts three times.",
  },
  FilesQuarantined: {
    unit: "Count",
    doc: "Files that this sweep set aside after they had failed again and again. Sum over any time.",
  },
  FilesOpenedLate: {
    unit: "Count",
    doc: "Files that somebody opened for writing in the moment of their removal: what he wrote is lost, or some of it.",
  },
  SweepDurationMs: {
    unit: "Milliseconds",
    doc: "How long the sweep took, by the monotonic clock. Its sample count is the number of sweeps that have completed.",
  },
  UploadLatencyMs: {
    unit: "Milliseconds",
    doc: "From the first byte of a file that is read to S3's proof, for at most 100 of the sweep's uploads, a fair sample: use percentiles, not sums. Absent if nothing was uploaded.",
  },
  // How things stood at the end of a route's sweep, or at a heartbeat.
  FilesWaiting: {
    unit: "Count",
    doc: "Files that had not settled at the end of the last sweep.",
  },
  FilesKept: {
    unit: "Count",
    doc: "Settled files that stayed for a reason that is no failure: changed, interrupted, or the destination was down.",
  },
  FilesDeferred: {
    unit: "Count",
    doc: "Files that failed in an earlier sweep and whose next try is not due yet.",
  },
  FilesInQuarantine: {
    unit: "Count",
    doc: "Files that are in quarantine now. Sum over the heartbeats of one period: the fleet's total.",
  },
  FilesUndeletable: {
    unit: "Count",
    doc: "Files that are in the bucket and cannot be removed here, now: also those whose next try is not due yet.",
  },
  FilesUnsettled: {
    unit: "Count",
    doc: "Files that have been there for an hour or more and never settled.",
  },
  BacklogFiles: {
    unit: "Count",
    doc: "Settled files that were still on disk at the end of the last sweep.",
  },
  BacklogBytes: {
    unit: "Bytes",
    doc: "Bytes of the settled files that were still on disk at the end of the last sweep.",
  },
  OldestSettledAgeSeconds: {
    unit: "Seconds",
    doc: "How long the oldest file of the backlog has been settled; 0 without a backlog. In heartbeats it grows between sweeps. Use the maximum.",
  },
  ConfigAgeSeconds: {
    unit: "Seconds",
    doc: "How long ago the configuration in effect was last read from the Parameter Store. Use the maximum.",
  },
  FreeBytes: {
    unit: "Bytes",
    doc: "Free in the watched directory's filesystem, for users without privileges. Use the minimum.",
  },
  FreePercent: {
    unit: "Percent",
    doc: "Free share of the filesystem, for users without privileges: of the watched directory; in heartbeats the lowest of the state directory and all watched ones. Use the minimum.",
  },
  // One heartbeat for each host and period of 300 s: the sum over it is the fleet's.
  Heartbeats: {
    unit: "Count",
    doc: "1 for each host and 300 s: the sum over 300 s is the number of hosts that live.",
  },
  ExpectedHosts: {
    unit: "Count",
    doc: "The parameter `expected-hosts`; absent if it is not set. Use the maximum.",
  },
  HostsLate: {
    unit: "Count",
    doc: "1 if some route of this host has not completed a sweep since its last but one due time: the host lives and does not work.",
  },
  HostsBehind: {
    unit: "Count",
    doc: "1 if this host works by another configuration than the one it should, or by none.",
  },
  HostsRefusing: {
    unit: "Count",
    doc: "1 if this host refuses the configuration that it should work by.",
  },
  HostsCutOff: {
    unit: "Count",
    doc: "1 if this host could not read the Parameter Store when it tried last.",
  },
  HostsLosingCredentials: {
    unit: "Count",
    doc: "1 if the last renewal of this host's credentials failed.",
  },
  CredentialsLifeSeconds: {
    unit: "Seconds",
    doc: "How long this host's credentials are good for, after a renewal that is due was tried; 0: they have ended. Absent if they name no end. Use the minimum.",
  },
  SweepsStarted: { unit: "Count", doc: "Sweeps that began since the last heartbeat." },
  SweepsCompleted: { unit: "Count", doc: "Sweeps that completed since the last heartbeat." },
  SweepsFailed: {
    unit: "Count",
    doc: "Sweeps that could not be done at all, since the last heartbeat.",
  },
  SweepsOverran: {
    unit: "Count",
    doc: "Sweeps that took so long that due times were left out, since the last heartbeat.",
  },
  SweepsMissed: {
    unit: "Count",
    doc: "Due times that were left out because a sweep was still under way, since the last heartbeat. Not those in which the agent did not run, the machine slept or its clock was set.",
  },
  LogEventsWaiting: {
    unit: "Count",
    doc: "Log records that waited for CloudWatch Logs at the heartbeat, those on disk included.",
  },
  LogEventsDropped: {
    unit: "Count",
    doc: "Log records that never reached CloudWatch Logs: left out for a limit, damaged, or not taken by the service. Sum over any time.",
  },
} as const satisfies Readonly<Record<string, MetricAbout>>;

export type MetricName = keyof typeof METRICS;
