import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { SECRET } from "../support/credentials.ts";
import { refusal as stsRefusal } from "../support/fake-credential-services.ts";
import { makeHost, type TestHost } from "../support/host.ts";
import { isRootOr } from "../support/not-run.ts";
import {
  denied,
  type ForeignAnswer,
  type PassingRequest,
  s3Refusal,
  startRefusingProxy,
} from "../support/refusing-proxy.ts";

/** One check as `doctor --json` tells it. */
interface Told {
  readonly name: string;
  readonly about?: string;
  readonly verdict: "ok" | "warning" | "problem";
  readonly detail?: string;
  readonly reason?: string;
  readonly wayOut?: string;
}

/** A service that answers instead of the local AWS, and what doctor must say of it. */
interface Fault {
  readonly answer: (request: PassingRequest) => ForeignAnswer | undefined;
  readonly args?: readonly string[];
  readonly parameters?: Readonly<Record<string, string>>;
  /** The check that tells of it, by its name and a part of what it is about. */
  readonly check: readonly [name: string, about: RegExp];
  readonly verdict: "warning" | "problem";
  readonly reason: RegExp;
  readonly wayOut: RegExp;
}

const on = (operation: string, answer: ForeignAnswer, part = "") => {
  return (request: PassingRequest) =>
    request.operation === operation && request.body.includes(part) ? answer : undefined;
};

const FAULTS: Readonly<Record<string, Fault>> = {
  "ssm:GetParameters is denied": {
    answer: on("GetParameters", denied()),
    check: ["ssm:GetParameters", /revision/],
    verdict: "problem",
    reason: /may not read .*fleets.*revision and .*hosts\/host-1\/revision: AccessDeniedException/,
    wayOut:
      /"Action":\["ssm:GetParameters"\],"Resource":\["arn:aws:ssm:eu-central-1:123456789012:parameter\/s3-offload-agent\/fleets\/[^"]*\/revision","[^"]*\/hosts\/host-1\/revision"\]/,
  },
  "ssm:GetParameters is denied for the host's own revision": {
    answer: on("GetParameters", denied(), "hosts/host-1/revision"),
    check: ["ssm:GetParameters", /revision/],
    verdict: "problem",
    reason: /may not read \/s3-offload-agent\/hosts\/host-1\/revision: /,
    wayOut: /"Resource":\["arn:[^"]*\/hosts\/host-1\/revision"\]/,
  },
  "ssm:GetParametersByPath is denied for the fleet": {
    answer: on("GetParametersByPath", denied(), "/fleets/"),
    check: ["ssm:GetParametersByPath", /fleets/],
    verdict: "problem",
    reason: /may not read the parameters below \/s3-offload-agent\/fleets\//,
    wayOut: /"Action":\["ssm:GetParametersByPath"\],"Resource":\["arn:[^"]*\/fleets\/fleet-[^"]*",/,
  },
  "ssm:GetParametersByPath is denied for the host": {
    answer: on("GetParametersByPath", denied(), "/hosts/"),
    check: ["ssm:GetParametersByPath", /hosts/],
    verdict: "problem",
    reason: /may not read the parameters below \/s3-offload-agent\/hosts\/host-1\//,
    wayOut: /"Action":\["ssm:GetParametersByPath"\],"Resource":\["arn:[^"]*\/hosts\/host-1",/,
  },
  "logs:CreateLogStream is denied, and there is no stream": {
    answer: on("CreateLogStream", denied()),
    check: ["log group", /\/files$/],
    verdict: "problem",
    reason: /lacks logs:CreateLogStream: /,
    wayOut:
      /"Action":\["logs:CreateLogStream"\],"Resource":\["arn:aws:logs:[^"]*:log-group:[^"]*\/files:\*"\]/,
  },
  "logs:PutLogEvents is denied": {
    answer: on("PutLogEvents", denied()),
    check: ["log group", /fleet-[^/]*$/],
    verdict: "problem",
    reason: /may not write log records: AccessDeniedException/,
    wayOut: /"Action":\["logs:PutLogEvents"\],"Resource":\["arn:aws:logs:[^"]*:\*"\]/,
  },
  "logs:CreateLogStream and logs:PutLogEvents are denied": {
    answer: (request) =>
      ["CreateLogStream", "PutLogEvents"].includes(request.operation) ? denied() : undefined,
    check: ["log group", /\/files$/],
    verdict: "problem",
    reason: /lacks logs:CreateLogStream and logs:PutLogEvents/,
    wayOut: /"Action":\["logs:CreateLogStream","logs:PutLogEvents"\]/,
  },
  "s3:PutObject is denied": {
    answer: on("PutObject", s3Refusal(403, "AccessDenied")),
    args: ["--write"],
    parameters: { prefix: "in/{host}/{yyyy}/" },
    check: ["bucket write", /default/],
    verdict: "problem",
    reason: /does not let the role put an object: AccessDenied/,
    wayOut:
      /"Action":\["s3:PutObject","s3:AbortMultipartUpload"\],"Resource":\["arn:aws:s3:::fleet-[^/]*\/in\/host-1\/\*"\]/,
  },
  "the KMS key is denied": {
    answer: on("PutObject", s3Refusal(403, "AccessDenied", "not authorized: kms:GenerateDataKey")),
    args: ["--write"],
    check: ["bucket write", /default/],
    verdict: "problem",
    reason: /kms:GenerateDataKey/,
    wayOut: /"Action":\["kms:GenerateDataKey","kms:Decrypt"\]/,
  },
  "the KMS key is not there": {
    answer: on("PutObject", s3Refusal(400, "KMS.NotFoundException")),
    args: ["--write"],
    check: ["bucket write", /default/],
    verdict: "problem",
    reason: /KMS key is not there/,
    wayOut: /kms-key-id/,
  },
  "the bucket is gone when it is written to": {
    answer: on("PutObject", s3Refusal(404, "NoSuchBucket")),
    args: ["--write"],
    check: ["bucket write", /default/],
    verdict: "problem",
    reason: /no such bucket: NoSuchBucket/,
    wayOut: /parameter `bucket`/,
  },
  "the bucket is redirected when it is written to": {
    answer: on("PutObject", s3Refusal(301, "PermanentRedirect")),
    args: ["--write"],
    check: ["bucket write", /default/],
    verdict: "problem",
    reason: /in another region/,
    wayOut: /`region`/,
  },
  "something answers a put without S3's checksum": {
    answer: on("PutObject", { status: 200 }),
    args: ["--write"],
    check: ["bucket write", /default/],
    verdict: "problem",
    reason: /bears no checksum/,
    wayOut: /AWS_ENDPOINT_URL_S3/,
  },
  "the bucket is in another region": {
    answer: on("HEAD", { status: 403, headers: { "x-amz-bucket-region": "us-west-2" } }),
    check: ["bucket", /fleet/],
    verdict: "problem",
    reason: /is in us-west-2, and the agent signs for eu-central-1/,
    wayOut: /`region`/,
  },
  "a portal answers in the bucket's place": {
    answer: on("HEAD", { status: 302 }),
    check: ["bucket", /fleet/],
    verdict: "problem",
    reason: /answers with 302/,
    wayOut: /portal/,
  },
  "nobody says whose the credentials are": {
    answer: on("GetCallerIdentity", stsRefusal(403, "AccessDenied") as ForeignAnswer),
    check: ["identity", /^$/],
    verdict: "warning",
    reason: /Not told: AccessDenied/,
    wayOut: /does not need to know/,
  },
  "the secret key is wrong, whatever the service repeats of the request": {
    answer: on(
      "GetCallerIdentity",
      stsRefusal(
        403,
        "SignatureDoesNotMatch",
        `The signature does not match. The Canonical String for this request should have been 'x-amz-security-token:${SECRET}'`,
      ) as ForeignAnswer,
    ),
    check: ["identity", /^$/],
    verdict: "problem",
    reason: /SignatureDoesNotMatch: The signature does not match/,
    wayOut: /Renew the key/,
  },
  "AWS does not know the credentials": {
    answer: on("GetCallerIdentity", stsRefusal(403, "InvalidClientTokenId") as ForeignAnswer),
    check: ["identity", /^$/],
    verdict: "problem",
    reason: /does not know these credentials/,
    wayOut: /Renew the key/,
  },
};

describe("doctor", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  async function ask(
    host: TestHost,
    options: {
      readonly args?: readonly string[];
      readonly env?: Readonly<Record<string, string | undefined>>;
      readonly uid?: number;
    } = {},
  ) {
    const { args = [], env, ...rest } = options;
    const secret = { AWS_SECRET_ACCESS_KEY: SECRET, AWS_SESSION_TOKEN: SECRET };
    const ended = await host.run(["doctor", ...args, "--json"], {
      ...rest,
      env: { ...secret, ...env },
    });
    expect(ended.stdout + ended.stderr).not.to.include(SECRET);
    expect(ended.stderr).to.equal("");
    const { checks, isWell } = JSON.parse(ended.stdout) as { checks: Told[]; isWell: boolean };
    expect(ended.exitCode).to.equal(isWell ? 0 : 1);
    const of = (name: string, about = /(?:)/): Told => {
      const found = checks.find((one) => one.name === name && about.test(one.about ?? ""));
      return found ?? expect.fail(`${name} was not checked: ${ended.stdout}`);
    };
    return { ...ended, checks, of };
  }

  it("finds nothing wrong where nothing is, and changes nothing but the host's log streams", async () => {
    await using host = await makeHost(aws);
    const groups = await makeGroups(host);
    await using proxy = await startRefusingProxy(aws.endpoint, {});
    const { checks, exitCode, of } = await ask(host, { env: proxy.env });
    expect(exitCode).to.equal(0);
    expect(checks.filter(({ verdict }) => verdict === "problem")).to.deep.equal([]);
    expect(of("log group").verdict).to.equal("ok");
    for (const logGroupName of groups) {
      const stream = { logGroupName, logStreamName: "host-1" };
      expect((await askLogs("GetLogEvents", stream))["events"]).to.deep.equal([]);
    }
    const names = new Set(checks.map(({ name }) => name));
    expect([...names]).to.include.members([
      "bootstrap file",
      "host",
      "state directory",
      "clock",
      "time synchronization",
      "region",
      "time",
      "credentials",
      "identity",
      "ssm:GetParameters",
      "ssm:GetParametersByPath",
      "parameters",
      "configuration",
      "log group",
      "directory",
      "lease",
      "bucket",
      "unit",
      "daemon",
      "log records",
      "heartbeat",
    ]);
    const asked = new Set(proxy.requests.map(({ operation }) => operation));
    expect([...asked].sort()).to.deep.equal([
      "CreateLogStream",
      "GetCallerIdentity",
      "GetParameters",
      "GetParametersByPath",
      "HEAD",
      "PutLogEvents",
    ]);
  });

  it("with --write puts one object below each route's prefix, and names it", async () => {
    await using host = await makeHost(aws, { prefix: "in/{host}/" });
    await using proxy = await startRefusingProxy(aws.endpoint, {});
    const { of } = await ask(host, { args: ["--write"], env: proxy.env });
    const { verdict, detail = "" } = of("bucket write");
    expect(verdict).to.equal("ok");
    const puts = proxy.requests.filter(({ operation }) => operation === "PutObject");
    expect(puts).to.have.length(1);
    const key = /^put s3:\/\/[^/]+\/(\S+),/.exec(detail)?.[1];
    expect(key).to.match(/^in\/host-1\/\.s3-offload-agent-doctor-[0-9a-f]{16}$/);
    expect(puts[0]?.path).to.include(`${host.bucket}/${key}`);
    expect(detail).to.include("it stays");
  });

  for (const [what, fault] of Object.entries(FAULTS)) {
    it(`says so, and the way out, when ${what}`, async () => {
      await using host = await makeHost(aws, fault.parameters ?? {});
      if (fault.check[0] === "log group") await makeGroups(host);
      await using proxy = await startRefusingProxy(aws.endpoint, { answer: fault.answer });
      const { of } = await ask(host, { args: fault.args ?? [], env: proxy.env });
      const told = of(...fault.check);
      expect(told.verdict, told.detail).to.equal(fault.verdict);
      expect(told.reason).to.match(fault.reason);
      expect(told.wayOut).to.match(fault.wayOut);
    });
  }

  /** One call of CloudWatch Logs, as an operator makes it. */
  async function askLogs(operation: string, input: object): Promise<Record<string, unknown>> {
    const answer = await fetch(aws.endpoint, {
      method: "POST",
      headers: {
        "x-amz-target": `Logs_20140328.${operation}`,
        "content-type": "application/x-amz-json-1.1",
        authorization: "AWS4-HMAC-SHA256 Credential=x/20260101/eu-central-1/logs/aws4_request",
      },
      body: JSON.stringify(input),
    });
    expect(answer.status).to.equal(200);
    const text = await answer.text();
    return text === "" ? {} : JSON.parse(text);
  }

  /** Log groups as infra/ makes them. */
  async function makeGroups({ fleet }: TestHost): Promise<readonly string[]> {
    const names = [`/s3-offload-agent/${fleet}`, `/s3-offload-agent/${fleet}/files`];
    for (const logGroupName of names) await askLogs("CreateLogGroup", { logGroupName });
    return names;
  }

  for (const [minutes, verdict] of [
    [6, "warning"],
    [-20, "problem"],
  ] as const) {
    it(`a clock that is ${minutes} minutes off is a ${verdict}`, async () => {
      await using host = await makeHost(aws);
      const aheadMs = minutes * 60_000;
      await using proxy = await startRefusingProxy(aws.endpoint, { aheadMs });
      const told = (await ask(host, { env: proxy.env })).of("time");
      expect(told.verdict).to.equal(verdict);
      expect(told.reason).to.include(minutes > 0 ? "behind AWS's" : "ahead of AWS's");
      expect(told.wayOut).to.include("NTP");
    });
  }

  it("a clock that is refused does not hide what the role may do", async () => {
    await using host = await makeHost(aws);
    const aheadMs = 20 * 60_000;
    const skewed = {
      status: 400,
      headers: { "content-type": "application/x-amz-json-1.1" },
      body: JSON.stringify({ __type: "InvalidSignatureException", message: "Signature expired" }),
    };
    await using proxy = await startRefusingProxy(aws.endpoint, {
      aheadMs,
      // Five minutes is what the services bear.
      answer: ({ operation, signedAt }) => {
        const isLate = Math.abs(Date.now() + aheadMs - signedAt) > 5 * 60_000;
        return operation.startsWith("GetParameters") && isLate ? skewed : undefined;
      },
    });
    const { of, checks } = await ask(host, { env: proxy.env });
    expect(of("time").verdict).to.equal("problem");
    expect(of("ssm:GetParameters").verdict).to.equal("ok");
    expect(of("parameters").verdict).to.equal("ok");
    const problems = checks.filter(({ verdict }) => verdict === "problem");
    expect(problems.map(({ name }) => name)).to.deep.equal(["time"]);
  });

  it("services out of reach are a problem each, and everything else is checked all the same", async () => {
    await using host = await makeHost(aws);
    const nowhere = "http://127.0.0.1:9";
    const names = ["", "_S3", "_SSM", "_CLOUDWATCH_LOGS"].map((end) => `AWS_ENDPOINT_URL${end}`);
    const env = Object.fromEntries(names.map((name) => [name, nowhere]));
    const { of, checks } = await ask(host, { env });
    expect(of("ssm:GetParametersByPath", /fleets/).reason).to.include("ECONNREFUSED");
    expect(of("ssm:GetParametersByPath", /fleets/).wayOut).to.include("VPC endpoint");
    expect(of("log group").verdict).to.equal("problem");
    expect(of("parameters").reason).to.include("The allowed roots are looked at instead");
    expect(of("names").about).to.equal(host.watched);
    expect(of("time").detail).to.include("no service answered");
    expect(checks.map(({ name }) => name)).not.to.include("bucket");
  });

  it("without credentials says so once, and nobody is asked", async () => {
    await using host = await makeHost(aws);
    await using proxy = await startRefusingProxy(aws.endpoint, {});
    const env = { ...proxy.env, S3_OFFLOAD_CREDENTIALS: `process:echo ${SECRET}; exit 3` };
    const { of, checks } = await ask(host, { env });
    expect(of("credentials").verdict).to.equal("problem");
    expect(of("ssm:GetParameters")).to.include({ verdict: "warning" });
    const problems = checks.filter(({ verdict }) => verdict === "problem");
    expect(problems.map(({ name }) => name)).to.deep.equal(["credentials"]);
    expect(proxy.requests).to.deep.equal([]);
  });

  it("without a region says so, and checks the host all the same", async () => {
    await using host = await makeHost(aws);
    const env = { AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined };
    const { of } = await ask(host, { env });
    expect(of("region")).to.include({ verdict: "problem" });
    expect(of("region").wayOut).to.include("AWS_REGION");
    expect(of("names").verdict).to.equal("ok");
  });

  it("without a fleet says so, and checks the host all the same", async () => {
    await using host = await makeHost(aws);
    const text = await readFile(host.bootstrap, "utf8");
    await writeFile(host.bootstrap, text.replace(/^fleet:.*\n/m, ""));
    const { of } = await ask(host);
    expect(of("host").reason).to.include("fleet is required");
    expect(of("names").verdict).to.equal("ok");
  });

  it("a bootstrap file that others may change is told with the command that mends it", async () => {
    if (!isRootOr("a service's bootstrap file")) return;
    await using host = await makeHost(aws);
    await chmod(host.bootstrap, 0o666);
    const { of } = await ask(host);
    expect(of("bootstrap file").reason).to.include("is refused, since others could change it");
    expect(of("bootstrap file").wayOut).to.include(`chmod g-w ${host.bootstrap}`);
  });

  it("a clone of another machine is a problem", async () => {
    await using host = await makeHost(aws);
    await host.run(["sweep"]);
    const file = join(host.folder, "state/identity.json");
    const saved = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...saved, machine: "0".repeat(12) }));
    const told = (await ask(host)).of("host id", /host\.cloned/);
    expect(told.verdict).to.equal("problem");
    expect(told.wayOut).to.include("hostId");
  });

  it("a fleet that is not there, a wrong value and an unknown name are told apart", async () => {
    await using host = await makeHost(aws, { bucket: undefined, "min-age": undefined });
    expect((await ask(host, { env: { S3_OFFLOAD_FLEET: "none" } })).of("parameters")).to.include({
      verdict: "problem",
    });
    const none = (await ask(host, { env: { S3_OFFLOAD_FLEET: "none" } })).of("parameters");
    expect(none.reason).to.include("no fleet is at /s3-offload-agent/fleets/none/");
    expect(none.wayOut).to.include("aws ssm put-parameter");
    const wrong = (await ask(host)).of("parameters");
    expect(wrong.reason).to.include("/bucket ");
    await host.operator.setParameter("bucket", host.bucket);
    await host.operator.setParameter("prefx", "x/");
    const { of, exitCode } = await ask(host);
    expect(of("parameters").verdict).to.equal("warning");
    expect(of("parameters").reason).to.include("did you mean prefix?");
    expect(exitCode).to.equal(0);
  });

  it("who may not read the state is not told that there is no daemon", async () => {
    if (!isRootOr("a state directory that others may not enter")) return;
    await using host = await makeHost(aws);
    await chmod(host.folder, 0o755);
    await using agent = host.start();
    await agent.next(({ event }) => event === "config.applied");
    const { of } = await ask(host, { uid: 65_534 });
    expect(of("state directory").reason).to.include("EACCES");
    expect(of("clock").detail).to.include("not known");
    expect(of("configuration").detail).to.include("is at work, and does not tell");
    expect(of("daemon").reason).to.include("EACCES");
    expect(of("heartbeat").reason).to.include("EACCES");
  });

  it("a bucket that is not there is told without touching anything", async () => {
    await using host = await makeHost(aws, { bucket: "no-such-bucket-of-anybody" });
    const told = (await ask(host)).of("bucket");
    expect(told.verdict).to.equal("problem");
    expect(told.reason).to.include("There is no bucket no-such-bucket-of-anybody");
  });

  it("of a unit that systemd runs otherwise than it should, says how to mend it", async () => {
    await using host = await makeHost(aws);
    const bin = join(host.folder, "bin");
    await mkdir(bin);
    const show = async (facts: string) => {
      await writeFile(join(bin, "systemctl"), `#!/bin/sh\ncat <<'E'\n${facts}\nE\n`, {
        mode: 0o755,
      });
      const env = { PATH: `${bin}:${process.env["PATH"]}` };
      return (await ask(host, { env })).of("unit");
    };
    const loaded = "LoadState=loaded\nUser=";
    const failed = await show(`${loaded}\nActiveState=failed\nResult=exit-code`);
    expect(failed.reason).to.include("exit-code");
    expect(failed.wayOut).to.include("journalctl -u s3-offload-agent");
    await mkdir(join(host.folder, "state"));
    const running = `${loaded}65534\nActiveState=active\nSubState=running\nUnitFileState=enabled`;
    const others = await show(running);
    expect(others.reason).to.match(/runs as 65534 .* belongs to user \d+/);
    expect(others.wayOut).to.include("chown -R 65534:");
    await rm(join(host.folder, "state"), { recursive: true });
    expect((await show(running)).verdict).to.equal("ok");
  });

  it("of a daemon that refuses what is desired says why, and of one that was killed that it is", async () => {
    await using host = await makeHost(aws);
    await using agent = host.start();
    await agent.next(({ event }) => event === "config.applied");
    // It writes down how it is a second later at the latest.
    const until = async (name: string, fits: (told: Told) => boolean) => {
      for (;;) {
        const told = await ask(host);
        if (fits(told.of(name))) return told;
      }
    };
    const well = await until(
      "configuration",
      ({ detail }) => detail?.includes("as desired") === true,
    );
    expect(well.of("daemon").detail).to.match(/^running for/);
    await host.operator.setParameter("min-age", "soon");
    agent.kill("SIGHUP");
    await agent.next(({ event }) => event === "config.refused");
    const told = await until("configuration", ({ verdict }) => verdict === "problem");
    expect(told.of("configuration").reason).to.include("min-age");
    expect(told.of("configuration").wayOut).to.include("config check");
    expect(told.of("parameters").reason).to.include("The last good ones");
    agent.kill("SIGKILL");
    await agent.ended();
    expect((await ask(host)).of("daemon").reason).to.include("nobody has stopped it");
  });
});
