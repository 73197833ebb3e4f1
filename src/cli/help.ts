/** What the help of each of the host's commands says below its options. */
export const HELP = {
  program: `
Exit codes: 0 done, 1 some files failed or something is wrong on this host,
2 usage or configuration, 3 a service or credential is out of reach or refused,
4 another agent holds the directory, 128 + n ended by signal n before it was done.`,
  run: `
Begins with the last good configuration, also while the Parameter Store is out of reach;
without one it waits for the first. Writes one JSON record a line to standard output, and
the same to CloudWatch Logs.

Started by systemd, it tells \`systemctl status\` how it is, and while nobody has said which
fleet the host is of it waits for that; started by a person it ends with 2 then.

Signals:
  SIGHUP   take the parameters as they are now
  SIGTERM  finish the files in flight, for 30 seconds at most, and end with 0;
           a second one ends at once (SIGINT likewise)`,
  sweep: `
A file goes if nothing about it has changed for \`min-age\` and no process has it open for
writing; the others stay for a later sweep, which is no failure. The first sweep after a
boot, or after somebody has set the clock, watches the clock for \`min-age\` before it
begins. While the daemon runs it holds the directory: \`sweep\` then ends with 4, but
\`sweep --dry-run\` works beside it.`,
  status: `
Asks no service: it works without network and credentials.

Exit codes: 0 all is well, or the daemon was stopped by somebody; 1 something needs a
person: files that fail, are in quarantine, cannot be removed or never settle, a failed or
overdue sweep, a refused configuration, credentials that have ended, parameters out of reach
for an hour, or a daemon that is gone although nobody stopped it.`,
  doctor: `
Each finding says what to do, with the command or the policy statement.

Changes nothing, but that this host's log streams are made if they are not there, as the
agent itself does. With --write it also puts one object a route, named
.s3-offload-agent-doctor-<random>, which it says the key of and cannot remove again.

Exit codes: 0 no problem (warnings are none), 1 a problem.`,
  retry: `
Files in quarantine have their places back, and files that wait for another try are due. They
settle once more and go in the next sweep. Works beside the daemon. Never replaces anything:
a file whose place is taken stays in quarantine, is reported, and the exit code is 1.

Examples:
  s3-offload-agent retry
  s3-offload-agent retry exports/2026-11-24.csv`,
  allow: `
For root. Keeps everything else in the bootstrap file, comments too. The service gets write
access to the directories by a drop-in of its unit; what is left to do, such as a restart of
the service, is told. A second call changes nothing. Nothing in the Parameter Store widens
this list. The system's own directories are refused.

Examples:
  s3-offload-agent allow /srv/measurements
  s3-offload-agent allow --make /srv/exports /srv/recordings
  s3-offload-agent allow --remove /srv/measurements`,
  configShow: `
Later wins: the default, the fleet's parameter, canary/<parameter> (on canary hosts only),
the host's own parameter.`,
  configCheck: `
A check changes nothing. It asks the Parameter Store as the agent does, and compares with
what is in effect on this host.

Exit codes: 0 this host takes it; 2 it refuses it, and everything that is wrong is told;
3 the Parameter Store is out of reach or refuses.`,
} as const;
