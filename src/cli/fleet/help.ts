/** What each command's help says below its options. */
export const HELP = {
  fleet: `
These commands run on an operator's machine with the operator's own credentials. A fleet
file, kept in git, says what a fleet's parameters should be:

  s3-offload-agent fleet pull --fleet web -o web.yaml     what is there now
  s3-offload-agent fleet plan web.yaml                    what would change
  s3-offload-agent fleet apply web.yaml --canary 1        1 % of the hosts try it
  s3-offload-agent fleet canary status --fleet web        how they do
  s3-offload-agent fleet canary promote --fleet web       all hosts get it
  s3-offload-agent fleet rollback 12 --fleet web          back to release 12
  s3-offload-agent fleet hosts --fleet web                which hosts are not well, and why
  s3-offload-agent fleet logs i-0abc --fleet web          what a host has logged

The fleet file (only fleet is required; lists are YAML lists; comments are welcome):

  fleet: web
  settings:
    bucket: my-bucket
    include: ["**/*.csv", "**/*.log"]
  routes:
    raw: {directory: /var/spool/raw, prefix: "raw/{host}/"}
  canary:
    percent: 1
    settings: {concurrency: 16}
  expected-hosts: 1000
  hosts:
    i-0abc:
      settings: {prefix: "special/"}

Exit codes: 0 done, 1 not done (not confirmed, somebody else changed the parameters, a
canary that is not ready), 2 usage, a wrong file, or values that hosts would refuse,
3 a service is out of reach or refused.`,
  pull: `
Of hosts with parameters of their own, those are taken that a release of this fleet names
or that send heartbeats for it; --host and --all-hosts take more. What is no known setting
goes into a comment. \`fleet plan\` of the file says "No changes".`,
  plan: `
Shows what to add (+), change (~) and remove (-), how many hosts get another configuration,
over how long they spread the reading, and which routes end. Every configuration that hosts
would have (stable, canary, each host with parameters of its own) is checked with the code
of the hosts themselves; what their bootstrap files forbid is not known here. What the file
does not name stays, and is listed; --prune removes it.

Exit codes: 0; 1 with --detailed-exitcode if there is anything to apply; 2 the file is wrong,
or hosts or SSM would refuse it; 3 a service is out of reach or refused.`,
  apply: `
Shows the plan and asks; only "yes" is taken. Where nobody can be asked, --yes is needed.
Values are written first, at most 3 a second, then removals, and the revision last: hosts
that follow the revision read nothing before all is there. Nothing is written if anybody
changed a parameter since the plan.

SSM has no compare-and-set. If two operators apply in the same moment, both may write; the
versions that SSM counts tell it to the one whose write came second, and the command stops
and names the parameter and the other's ARN. Agree on one who applies, or let one pipeline
do it.

If it is stopped in the middle, it tells what is written. Run it again: it finishes. Until
then the revision is the old one: hosts take what is written so far only at their full
reading (about every 6 hours), when they start, or at once if the fleet has no revision.

--canary PERCENT writes the settings that the file changes below canary/ instead, and the
percentage beside them: those hosts try it, all others keep what they have.`,
  history: `
The release log is the history of the parameter \`revision\`, of which SSM keeps 100
versions. Each release holds every value that the fleet had, so that \`fleet rollback\`
depends on nothing else; what does not fit into one parameter is in parts below
/s3-offload-agent/releases/<fleet>/, which no host reads. Who: as the operator's machine
calls him, and his ARN. What: + came, ~ changed, - went.`,
  rollback: `
Writes the values of that release as a new release, after showing the plan: what came since
goes, what went since comes back. Own parameters of hosts stay if no release names them.
The fleet file in git has to follow: \`fleet plan FILE\` tells the difference.`,
  host: `
  s3-offload-agent fleet host i-0abc show --fleet web
  s3-offload-agent fleet host i-0abc set prefix=special/ routes/raw/concurrency=2 --fleet web
  s3-offload-agent fleet host i-0abc unset prefix --fleet web

A host's own values win over the fleet's. They are checked together with the fleet's, and
the host's own revision is written last, so the host reads them at its next poll. Hosts
that a fleet file names are better changed there.`,
  canary: `
A host is a canary if its place, the first six bytes of SHA-256("<host-id>:canary") divided
by 2^48 and times 100, is below the percentage: always the same hosts for the same number.`,
  canaryStatus: `
A canary may be promoted when no canary host refuses it, 95 % of those that send heartbeats
have it, each of these has swept every route twice since, and no larger part of them than
of the others had failures in the last sweep.

Exit codes: 0 it may be promoted, or none is under way; 1 not yet; 3 a service is out of
reach or refused.`,
  canaryPromote: `
Refused until \`fleet canary status\` says that it may be promoted; --force does it
nevertheless and tells what it overrides. The values move from canary/ to the fleet, those
below canary/ are removed after, and one release records it.`,
  canaryAbort: `
Removes everything below canary/: all hosts have the fleet's own values again.`,
} as const;
