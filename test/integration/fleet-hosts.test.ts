import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EC2Client, RunInstancesCommand } from "@aws-sdk/client-ec2";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { type LoggedFleet, makeLoggedFleet } from "../support/logged-fleet.ts";

const START = "Logs_20140328.StartQuery";

describe("fleet hosts", function () {
  // Each test starts the program several times, on a machine that may be busy.
  this.timeout(60_000);
  let aws: LocalAws;

  before(async () => {
    aws = await startLocalAws();
    folder = await mkdtempDisposable(join(tmpdir(), "s3-offload-test-"));
  });
  after(async () => {
    await folder.remove();
    await aws.stop();
  });

  /** What the parameters of a host without its own say, as the agent hashes it. */
  const wantedHash = async (fleet: LoggedFleet): Promise<string> => {
    const { stdout } = await fleet.run(["hosts", "--json", "--expect", await listOf(fleet, ["x"])]);
    return JSON.parse(stdout).hosts[0].wantedHash;
  };
  let folder: Awaited<ReturnType<typeof mkdtempDisposable>>;
  const listOf = async (fleet: LoggedFleet, hosts: readonly string[]): Promise<string> => {
    const file = join(folder.path, `${fleet.fleet}.txt`);
    await writeFile(file, `# ${fleet.fleet}\n${hosts.join("\n")}\n`);
    return file;
  };
  const rowsOf = (stdout: string) => stdout.split("\n\n")[0]?.split("\n").slice(1) ?? [];
  const namesIn = (stdout: string) =>
    rowsOf(stdout).map((line) => line.split(/\s+/).slice(0, 2).join(" "));

  it("shows every host by its last heartbeat, the worst first, and counts them", async () => {
    await using fleet = await makeLoggedFleet(aws);
    await fleet.setParameter("bucket", "landing");
    const configHash = await wantedHash(fleet);
    const good = { configHash, desiredHash: configHash };
    await fleet.beat("web-1", [8, 3], good);
    await fleet.beat("web-2", [60, 55], good);
    await fleet.beat("web-3", [7, 2], { ...good, filesFailed: 2 });
    await fleet.beat("web-10", [9, 4], { ...good, version: "0.0.9" });
    await fleet.beat("web-11", [119], { ...good, configHash: "000000000000" });
    const { exitCode, stdout, stderr } = await fleet.run(["hosts"]);
    expect(stderr).to.equal("");
    expect(exitCode).to.equal(0);
    expect(namesIn(stdout)).to.deep.equal([
      "web-2 silent",
      "web-11 silent",
      "web-3 failing",
      "web-1 ok",
      "web-10 ok",
    ]);
    expect(stdout).to.match(/^web-2 +silent +55m \d*s? ?ago .* no heartbeat for 55m/m);
    expect(stdout).to.match(/^5 hosts: 2 silent, 2 ok, 1 failing$/m);
    expect(stdout).to.match(/^versions: 4 0\.1\.0, 1 0\.0\.9$/m);
    expect(stdout).to.include(`4 ${configHash} (wanted), 1 000000000000`);
    expect(stdout, "escapes in a pipe").not.to.include("\u001b");
    expect(fleet.insights.texts.slice(1), "queries").to.have.length(1);
  });

  it("answers a script's questions with its exit code, and JSON", async () => {
    await using fleet = await makeLoggedFleet(aws);
    await fleet.setParameter("bucket", "landing");
    const configHash = await wantedHash(fleet);
    await fleet.beat("a", [3], { configHash, desiredHash: configHash });
    const filters = ["--silent", "--behind", "--errors"];
    const well = await Promise.all(filters.map((filter) => fleet.run(["hosts", filter])));
    expect(well.map(({ exitCode }) => exitCode)).to.deep.equal([0, 0, 0]);
    await fleet.beat("b", [30], { configHash, desiredHash: configHash });
    await fleet.beat("c", [3], {
      configHash,
      desiredHash: "111111111111",
      refusal: "bucket must be a name",
    });
    await fleet.setParameter("prefix", "new/");
    const asked = async (filter: string) => {
      const { exitCode, stdout } = await fleet.run(["hosts", filter, "--json"]);
      const { hosts, counts } = JSON.parse(stdout);
      return { exitCode, counts, hosts: hosts.map(({ host }: { host: string }) => host) };
    };
    const counts = { silent: 1, refused: 1, behind: 1 };
    expect(await Promise.all(filters.map(asked))).to.deep.equal([
      { exitCode: 1, counts, hosts: ["b"] },
      { exitCode: 1, counts, hosts: ["b", "c", "a"] },
      { exitCode: 1, counts, hosts: ["c"] },
    ]);
  });

  it("knows what each host should have: a canary's and a host's own parameters count", async () => {
    await using fleet = await makeLoggedFleet(aws);
    const ids = Array.from({ length: 12 }, (_, index) => `h-${index}`);
    await fleet.setParameter("bucket", "landing");
    await fleet.setParameter("canary/percent", "50");
    await fleet.setParameter("canary/prefix", "new/");
    await fleet.setHostParameter(`${fleet.fleet}-own`, "prefix", "own/");
    const expected = await listOf(fleet, [...ids, `${fleet.fleet}-own`]);
    const { stdout } = await fleet.run(["hosts", "--json", "--expect", expected]);
    const wanted: { host: string; wantedHash: string }[] = JSON.parse(stdout).hosts;
    expect(new Set(wanted.map(({ wantedHash }) => wantedHash)).size).to.equal(3);
    for (const { host, wantedHash } of wanted) {
      await fleet.beat(host, [2], { configHash: wantedHash, desiredHash: wantedHash });
    }
    expect((await fleet.run(["hosts", "--behind"])).exitCode).to.equal(0);
    await fleet.setParameter("canary/prefix", "newer/");
    const behind = JSON.parse((await fleet.run(["hosts", "--behind", "--json"])).stdout);
    const changed = JSON.parse(
      (await fleet.run(["hosts", "--json", "--expect", expected])).stdout,
    ).hosts.filter(
      (one: { configHash: string; wantedHash: string }) => one.configHash !== one.wantedHash,
    );
    const names = (hosts: { host: string }[]) => hosts.map(({ host }) => host);
    expect(names(behind.hosts)).to.have.members(names(changed)).and.not.to.be.empty;
    expect(names(behind.hosts).length).to.be.below(12);
  });

  it("finds one host id on two machines", async () => {
    await using fleet = await makeLoggedFleet(aws);
    await fleet.beat("image", [11, 6, 1], { machine: "aaaaaaaaaaaa" });
    await fleet.beat("image", [9, 4], { machine: "bbbbbbbbbbbb" });
    await fleet.beat("replaced", [20, 15], { machine: "cccccccccccc" });
    await fleet.beat("replaced", [9, 4], { machine: "dddddddddddd" });
    const { stdout, exitCode } = await fleet.run(["hosts", "--errors"]);
    expect(exitCode).to.equal(1);
    expect(namesIn(stdout)).to.deep.equal(["image cloned"]);
    expect(stdout).to.match(/several machines call themselves so: \w{12}, \w{12}/);
  });

  it("finds hosts that never came up, by a list, by EC2 and by Systems Manager", async () => {
    const nodes = [
      { InstanceId: "mi-0123456789abcdef0", RegistrationDate: 1_700_000_000 },
      { InstanceId: "mi-0123456789abcdef1", RegistrationDate: 1_700_000_000 },
    ];
    const filters: unknown[] = [];
    await using fleet = await makeLoggedFleet(aws, {
      // Of two pages, as the service may divide them however it likes.
      "AmazonSSM.DescribeInstanceInformation": async ({ Filters, NextToken }) => {
        filters.push(Filters);
        const index = NextToken === undefined ? 0 : 1;
        return {
          InstanceInformationList: [nodes[index]],
          ...(index === 0 ? { NextToken: "more" } : {}),
        };
      },
    });
    const ec2 = new EC2Client({
      endpoint: aws.endpoint,
      region: "eu-central-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    });
    const { Instances = [] } = await ec2.send(
      new RunInstancesCommand({
        ImageId: "ami-12c6146b",
        MinCount: 2,
        MaxCount: 2,
        TagSpecifications: [
          {
            ResourceType: "instance",
            Tags: [{ Key: "s3-offload-agent:fleet", Value: fleet.fleet }],
          },
        ],
      }),
    );
    ec2.destroy();
    const [one = "", other = ""] = Instances.map(({ InstanceId = "" }) => InstanceId);
    const configHash = await wantedHash(fleet);
    const good = { configHash, desiredHash: configHash };
    await fleet.beat(one, [2], good);
    await fleet.beat("mi-0123456789abcdef0", [2], good);
    await fleet.beat("gone", [40]);
    const silent = async (...expected: string[]) => {
      const args = expected.flatMap((name) => ["--expect", name]);
      const { stdout, exitCode } = await fleet.run(["hosts", "--json", "--silent", ...args]);
      const { hosts, counts } = JSON.parse(stdout);
      return { exitCode, counts, hosts: hosts.map(({ host }: { host: string }) => host) };
    };
    const list = await listOf(fleet, [one, "mi-0123456789abcdef0", "never"]);
    expect(await silent(list)).to.deep.equal({
      exitCode: 1,
      hosts: ["never"],
      counts: { absent: 1, gone: 1, ok: 2 },
    });
    // The instances were started a moment ago: the one that is not there yet is no problem.
    expect(await silent("ec2")).to.deep.equal({
      exitCode: 0,
      hosts: [],
      counts: { starting: 1, gone: 1, ok: 2 },
    });
    expect(await silent("ssm", "ec2")).to.deep.equal({
      exitCode: 1,
      hosts: ["mi-0123456789abcdef1"],
      counts: { absent: 1, starting: 1, gone: 1, ok: 2 },
    });
    expect(filters[0]).to.deep.equal([
      { Key: "tag:s3-offload-agent:fleet", Values: [fleet.fleet] },
    ]);
    expect(other).to.match(/^i-/);
  });

  it("says so, and fails a script, when nothing is heard or too few", async () => {
    await using fleet = await makeLoggedFleet(aws);
    const none = await fleet.run(["hosts", "--silent"]);
    expect(none.exitCode).to.equal(1);
    expect(none.stdout).to.include("has sent a heartbeat in the last two hours");
    expect((await fleet.run(["hosts"])).exitCode).to.equal(0);
    await fleet.beat("a", [3]);
    expect((await fleet.run(["hosts", "--silent"])).exitCode).to.equal(0);
    await fleet.setParameter("expected-hosts", "2");
    const few = await fleet.run(["hosts", "--silent"]);
    expect(few.exitCode).to.equal(1);
    expect(few.stdout).to.include("expected-hosts says 2; 1 sent a heartbeat");
  });

  it("waits for its turn when too many queries run", async () => {
    await using fleet = await makeLoggedFleet(aws);
    await fleet.beat("a", [3]);
    fleet.front.refuse(START, "LimitExceededException", { times: 2 });
    expect((await fleet.run(["hosts"])).exitCode).to.equal(0);
    expect(fleet.front.answered.filter((target) => target === START)).to.have.length(3);
  });

  for (const [what, prepare, message, hint] of [
    [
      "the operator may not query",
      (fleet: LoggedFleet) => fleet.front.refuse(START, "AccessDeniedException"),
      /query the log group/,
      /Allow logs:StartQuery to your own credentials.*log-group:\/s3-offload-agent\/.*GetQueryResults/,
    ],
    [
      "the query fails",
      (fleet: LoggedFleet) => fleet.insights.endAs("Failed"),
      /has no answer: it ended as Failed/,
      /Try again/,
    ],
  ] as const) {
    it(`ends with 3 and the way out when ${what}`, async () => {
      await using fleet = await makeLoggedFleet(aws);
      prepare(fleet);
      const { exitCode, stderr, stdout } = await fleet.run(["hosts"]);
      expect(exitCode).to.equal(3);
      expect(stderr).to.match(message).and.to.match(hint);
      expect(stdout).to.equal("");
    });
  }

  it("explains a log group that is not there", async () => {
    await using fleet = await makeLoggedFleet(aws);
    const { exitCode, stderr } = await fleet.run(["hosts", "--parameter-root", "/elsewhere"]);
    expect(exitCode).to.equal(3);
    expect(stderr).to.include(`There is no log group /elsewhere/${fleet.fleet}`);
    expect(stderr).to.include("Check the fleet's name, the region and the profile");
  });

  it("does without the parameters unless it is asked who is behind", async () => {
    await using fleet = await makeLoggedFleet(aws);
    await fleet.beat("a", [3], { desiredHash: "bbbbbbbbbbbb" });
    fleet.front.refuse("AmazonSSM.GetParametersByPath", "AccessDeniedException");
    const all = await fleet.run(["hosts"]);
    expect(all.exitCode).to.equal(0);
    expect(namesIn(all.stdout)).to.deep.equal(["a behind"]);
    expect(all.stdout).to.match(/^note: .*ssm:GetParametersByPath/m);
    expect((await fleet.run(["hosts", "--behind"])).exitCode).to.equal(3);
  });

  it("stops its query when it is interrupted", async () => {
    await using fleet = await makeLoggedFleet(aws);
    fleet.insights.hold(true);
    const child = fleet.start(["hosts"]);
    const ended = new Promise((resolve) => child.once("close", resolve));
    await fleet.front.answeredOnce("Logs_20140328.GetQueryResults");
    child.kill("SIGINT");
    expect(await ended).to.equal(130);
    expect(fleet.insights.stops()).to.equal(1);
  });
});
