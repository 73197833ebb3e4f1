import { expect } from "chai";
import type { AwsFailure } from "../../../../src/agent/examination.ts";
import { SLOT_MS } from "../../../../src/agent/heartbeats.ts";
import { reachVerdict } from "../../../../src/cli/checks/bucket-checks.ts";
import type { Verdict } from "../../../../src/cli/checks/check.ts";
import { callerVerdict, credentialsVerdict } from "../../../../src/cli/checks/credential-checks.ts";
import {
  daemonVerdict,
  heartbeatVerdict,
  recordsVerdict,
} from "../../../../src/cli/checks/daemon-checks.ts";
import { regionOrigin } from "../../../../src/cli/checks/host-checks.ts";
import { logVerdict } from "../../../../src/cli/checks/log-checks.ts";
import { inEffectVerdict } from "../../../../src/cli/checks/parameter-checks.ts";
import { allow, arnOf, objectArn } from "../../../../src/cli/checks/policy.ts";
import { refusalVerdict } from "../../../../src/cli/checks/refusal.ts";
import { ntpVerdict, offsetVerdict } from "../../../../src/cli/checks/time-checks.ts";
import { unitVerdict } from "../../../../src/cli/checks/unit-check.ts";
import { configurationOf, gone, running, WRITTEN_AT } from "../../../support/daemon-report.ts";

const MINUTE_MS = 60_000;
const PLACE = { region: "eu-west-1", account: "123456789012" };

type Expected = readonly [what: string, verdict: Verdict, kind: Verdict["verdict"], says: RegExp];

/** Each row is one verdict with what must be in it; whatever is no ok has a way out. */
function table(name: string, rows: readonly Expected[]): void {
  describe(name, () => {
    for (const [what, verdict, kind, says] of rows) {
      it(`${what}: ${kind}`, () => {
        expect(verdict.verdict).to.equal(kind);
        expect(JSON.stringify(verdict)).to.match(says);
        if (verdict.verdict !== "ok") {
          expect(verdict.wayOut).to.have.length.above(10);
          expect(verdict.reason).to.match(/\.$/);
        }
      });
    }
  });
}

const failure = (kind: AwsFailure["kind"], code = "Code"): AwsFailure => {
  return { kind, code, message: "what it said." };
};

const logs = (created: AwsFailure | undefined, put: AwsFailure | undefined) =>
  logVerdict({ group: "/g", created, put }, PLACE);
const [deny, lack] = [failure("denied", "AccessDeniedException"), failure("missing")];

table("a log group", [
  ["both allowed", logs(undefined, undefined), "ok", /./],
  ["no event", logs(undefined, deny), "problem", /"logs:PutLogEvents\\"\],/],
  ["no stream, but it is there", logs(deny, undefined), "warning", /"logs:CreateLogStream\\"\],/],
  ["no stream, and none is there", logs(deny, lack), "problem", /lacks logs:CreateLogStream:/],
  ["neither", logs(deny, deny), "problem", /logs:CreateLogStream and logs:PutLogEvents/],
  ["no group", logs(lack, lack), "warning", /aws logs create-log-group --log-group-name \/g/],
  ["out of reach", logs(failure("transient"), failure("transient")), "problem", /out of reach/],
  ["throttled, for the event", logs(undefined, failure("throttled")), "warning", /fewer requests/],
]);

const refused = (kind: AwsFailure["kind"], code?: string) =>
  refusalVerdict(failure(kind, code), { wish: "read x", wayOut: "Allow that in the policy." });

table("a refusal", [
  ["denied", refused("denied"), "problem", /may not read x: Code: what it said\.".*Allow that/],
  ["no credentials", refused("credentials", "CredentialsProviderError"), "warning", /without cred/],
  ["wrong credentials", refused("credentials"), "problem", /does not take the credentials/],
  ["a wrong clock", refused("clock-skew"), "problem", /NTP/],
  ["throttled", refused("throttled"), "warning", /fewer requests/],
  ["out of reach", refused("transient"), "problem", /VPC endpoint/],
  ["missing", refused("missing"), "problem", /Check the names/],
  ["anything else", refused("permanent"), "problem", /refuses to read x/],
]);

table("the clock beside AWS's", [
  ["nobody answered", offsetVerdict(undefined), "ok", /no service answered/],
  ["the second", offsetVerdict(900), "ok", /as AWS's/],
  ["five minutes", offsetVerdict(5 * MINUTE_MS), "ok", /5m behind AWS's/],
  ["just over five", offsetVerdict(5 * MINUTE_MS + 1), "warning", /behind AWS's/],
  ["fifteen ahead", offsetVerdict(-15 * MINUTE_MS), "warning", /15m ahead of AWS's/],
  ["just over fifteen", offsetVerdict(-15 * MINUTE_MS - 1), "problem", /ahead of AWS's/],
]);

table("time synchronization", [
  ["in step", ntpVerdict("NTP=yes\nNTPSynchronized=yes\n"), "ok", /synchronized/],
  ["in step by other means", ntpVerdict("NTP=no\nNTPSynchronized=yes\n"), "ok", /synchronized/],
  ["off", ntpVerdict("NTP=no\nNTPSynchronized=no\n"), "warning", /NTP is off/],
  ["on, not in step", ntpVerdict("NTP=yes\nNTPSynchronized=no\n"), "warning", /NTP is on, but/],
  ["an old timedatectl", ntpVerdict(""), "ok", /does not say/],
]);

const held = { source: "profile x", accessKeyId: "WXYZ" };

table("credentials", [
  ["for ever", credentialsVerdict({ ...held, expiresAt: undefined }, 0), "ok", /…WXYZ, without/],
  ["for an hour", credentialsVerdict({ ...held, expiresAt: 60 * MINUTE_MS }, 0), "ok", /1h left/],
  ["over", credentialsVerdict({ ...held, expiresAt: 0 }, MINUTE_MS), "problem", /ended 1m ago/],
]);

const caller = (kind: AwsFailure["kind"], code?: string) =>
  callerVerdict({ kind: "failed", failure: failure(kind, code) });

table("whose they are", [
  [
    "known",
    callerVerdict({ kind: "answered", answer: { account: "1", arn: "arn:x" } }),
    "ok",
    /arn:x of account 1/,
  ],
  ["denied", caller("denied"), "warning", /Not told/],
  ["no STS in reach", caller("transient"), "warning", /Not told/],
  ["not known to AWS", caller("credentials", "InvalidClientTokenId"), "problem", /does not know/],
  ["there are none", caller("credentials", "CredentialsProviderError"), "ok", /there are none/],
]);

const reach = (status: number, region?: string) =>
  reachVerdict({ status, region }, { bucket: "b", host: "b.s3", region: "eu-west-1" });

table("a bucket, asked by nobody", [
  ["it is ours, or somebody's", reach(403, "eu-west-1"), "ok", /doctor --write/],
  ["public", reach(200), "ok", /doctor --write/],
  ["elsewhere", reach(301, "us-west-2"), "problem", /is in us-west-2/],
  ["elsewhere, and closed", reach(403, "us-west-2"), "problem", /is in us-west-2/],
  ["not there", reach(404), "problem", /There is no bucket b/],
  ["a portal", reach(302), "problem", /nothing that S3 says/],
  ["S3 in trouble", reach(503), "warning", /503/],
]);

const unit = (facts: string, uid: number | undefined = 0, ownerUid: number | undefined = 0) =>
  unitVerdict(
    Object.fromEntries(facts.split(" ").map((fact) => fact.split("=") as [string, string])),
    { uid, ownerUid, stateDirectory: "/s" },
  );
const LOADED = "LoadState=loaded SubState=running";

table("the unit", [
  ["none", unit("LoadState=not-found"), "ok", /there is none/],
  ["not told of, as in a chroot", unit("Id=x"), "ok", /says nothing/],
  ["masked", unit("LoadState=masked"), "problem", /unmask/],
  ["failed", unit(`${LOADED} ActiveState=failed Result=timeout`), "problem", /timeout.*journalctl/],
  [
    "enabled, not running",
    unit(`${LOADED} ActiveState=inactive UnitFileState=enabled`),
    "problem",
    /systemctl start/,
  ],
  [
    "neither",
    unit(`${LOADED} ActiveState=inactive UnitFileState=disabled`),
    "warning",
    /enable --now/,
  ],
  [
    "not after a reboot",
    unit(`${LOADED} ActiveState=active UnitFileState=disabled`),
    "warning",
    /reboot/,
  ],
  [
    "as it should be",
    unit(`${LOADED} ActiveState=active UnitFileState=enabled User=x`, 7, 7),
    "ok",
    /as user x/,
  ],
  [
    "as root, over anybody's files",
    unit(`${LOADED} ActiveState=active UnitFileState=enabled`, 0, 7),
    "ok",
    /as user root/,
  ],
  [
    "over another's files",
    unit(`${LOADED} ActiveState=active UnitFileState=enabled User=x`, 7, 8),
    "problem",
    /chown -R x: \/s/,
  ],
  [
    "restarting for ever",
    unit("LoadState=loaded SubState=auto-restart ActiveState=activating UnitFileState=enabled"),
    "problem",
    /again and again/,
  ],
]);

table("the daemon", [
  ["none", daemonVerdict({ ...gone(), view: undefined }, 0), "ok", /none has told/],
  [
    "not to be read",
    daemonVerdict({ ...gone(), view: undefined, unreadable: "EACCES" }, 0),
    "warning",
    /EACCES/,
  ],
  ["running", daemonVerdict(running(), WRITTEN_AT), "ok", /running for 1h, process 42/],
  [
    "another version",
    daemonVerdict(running({ version: "0.0.1" }), WRITTEN_AT),
    "warning",
    /0\.0\.1 is running/,
  ],
  [
    "stopped",
    daemonVerdict(gone({ isStopping: true }), WRITTEN_AT + MINUTE_MS),
    "ok",
    /stopped 1m ago/,
  ],
  ["killed", daemonVerdict(gone(), WRITTEN_AT), "problem", /nobody has stopped it/],
  [
    "another in its place",
    daemonVerdict({ ...gone(), liveness: { kind: "held", by: 7 } }, WRITTEN_AT),
    "ok",
    /process 7/,
  ],
]);

const HELD = { ...gone(), liveness: { kind: "held", by: 7 } } as const;
const slotOf = (ms: number) => Math.floor(ms / SLOT_MS);
const NOW = WRITTEN_AT + 60 * MINUTE_MS;

table("the heartbeat", [
  ["young", heartbeatVerdict(running(), slotOf(NOW), NOW), "ok", /the last in the period/],
  ["three periods old", heartbeatVerdict(running(), slotOf(NOW) - 4, NOW), "problem", /none for/],
  [
    "none, of a young daemon",
    heartbeatVerdict(running({ startedAt: NOW - MINUTE_MS }), undefined, NOW),
    "ok",
    /none yet/,
  ],
  ["none, of an old daemon", heartbeatVerdict(running(), undefined, NOW), "problem", /none yet/],
  ["old, and no daemon", heartbeatVerdict(gone(), 1, NOW), "ok", /no daemon is at work/],
  ["of another process", heartbeatVerdict(HELD, undefined, NOW), "ok", /process 7 is at work/],
  ["no time at all", heartbeatVerdict(gone(), 999_999_999_999, NOW), "ok", /unknown time/],
]);

const withLogs = (waiting: number, dropped: number) =>
  recordsVerdict(running({ logs: { waiting, dropped } }));

table("the log records", [
  ["of no daemon", recordsVerdict(gone()), "ok", /no daemon/],
  ["that wait", withLogs(70_000, 0), "ok", /70000 wait, 0 were dropped/],
  ["that were dropped", withLogs(3, 4), "warning", /3 wait, 4 were dropped.*log-spool-limit/],
]);

const desired = (hash: string) => ({ hash, cohort: "stable" as const, problems: [], unknown: [] });
const inEffect = (configuration: object, hash: string | undefined) =>
  inEffectVerdict(
    running({ configuration: configurationOf(configuration) }),
    hash === undefined ? undefined : desired(hash),
    undefined,
    WRITTEN_AT,
  );

table("the configuration in effect", [
  ["no daemon", inEffectVerdict(gone(), desired("a"), undefined, 0), "ok", /no daemon is at work/],
  [
    "a daemon that does not tell this user",
    inEffectVerdict(HELD, desired("a"), undefined, 0),
    "ok",
    /not known: process 7/,
  ],
  ["as desired", inEffect({}, "aaaaaaaaaaaa"), "ok", /as desired/],
  ["not read yet", inEffect({}, "bbbbbbbbbbbb"), "warning", /next poll is in 1m.*reload/],
  ["refused", inEffect({ refusal: "b is wrong." }, "bbbbbbbbbbbb"), "problem", /b is wrong/],
  ["not to be read", inEffect({ unreachable: "gone." }, undefined), "problem", /cannot read.*gone/],
  ["not known", inEffect({}, undefined), "ok", /is not known/],
]);

describe("a policy statement", () => {
  it("is JSON on one line, of the partition of its region", () => {
    const text = allow(["s3:PutObject"], [objectArn("b", "p/*", "eu-west-1")]);
    expect(JSON.parse(text.slice(text.indexOf("{")))).to.deep.equal({
      Effect: "Allow",
      Action: ["s3:PutObject"],
      Resource: ["arn:aws:s3:::b/p/*"],
    });
    expect(arnOf("ssm", "x", { region: "cn-north-1", account: undefined })).to.equal(
      "arn:aws-cn:ssm:cn-north-1:*:x",
    );
    expect(objectArn("b", "*", "us-gov-west-1")).to.equal("arn:aws-us-gov:s3:::b/*");
    expect(objectArn("arn:aws:s3:eu-west-1:1:accesspoint/a", "p/*", "eu-west-1")).to.equal(
      "arn:aws:s3:eu-west-1:1:accesspoint/a/object/p/*",
    );
  });
});

describe("where the region comes from", () => {
  for (const [env, local, host, says] of [
    [{ S3_OFFLOAD_REGION: "x", AWS_REGION: "y" }, "x", "x", "S3_OFFLOAD_REGION"],
    [{ AWS_REGION: "y" }, "x", "x", "the bootstrap file"],
    [{}, undefined, "x", "the instance's metadata or the SSM registration"],
    [{ AWS_REGION: "y" }, undefined, undefined, "AWS_REGION"],
    [{}, undefined, undefined, "the profile of the shared files"],
  ] as const) {
    it(`is told: ${says}`, () => {
      expect(regionOrigin(env, { region: local }, { region: host })).to.equal(says);
    });
  }
});
