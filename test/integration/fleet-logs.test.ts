import { once } from "node:events";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { type LoggedFleet, linesOf, makeLoggedFleet } from "../support/logged-fleet.ts";

const READ = "Logs_20140328.GetLogEvents";

describe("fleet logs", function () {
  // Each test starts the program several times, on a machine that may be busy.
  this.timeout(60_000);
  let aws: LocalAws;

  before(async () => {
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  const minutesAgo = (minutes: number) => Date.now() - minutes * 60_000;
  const record = (minutes: number, event: string, level = "info") => ({
    at: minutesAgo(minutes),
    record: { level, event, host: "web-1", minutes },
  });
  const filesGroup = (fleet: LoggedFleet) => `${fleet.group}/files`;
  const eventsIn = (stdout: string) => [...stdout.matchAll(/^\S+Z \w* +(\S+)/gm)].map(([, e]) => e);

  /** A host with records of its state and of a file, and another host. */
  const makeLogs = async () => {
    const fleet = await makeLoggedFleet(aws);
    await fleet.log("web-1", [
      record(90, "agent.started"),
      record(50, "sweep.failed", "error"),
      record(10, "sweep.completed"),
    ]);
    await fleet.log("web-1", [record(30, "file.removed")], filesGroup(fleet));
    await fleet.log("web-2", [record(20, "agent.stopped")]);
    return fleet;
  };

  it("shows a host's records of the last hour, the oldest first, and no other's", async () => {
    await using fleet = await makeLogs();
    const { stdout, exitCode } = await fleet.run(["logs", "web-1"]);
    expect(exitCode).to.equal(0);
    expect(eventsIn(stdout)).to.deep.equal(["sweep.failed", "sweep.completed"]);
    expect(stdout).to.match(/Z error sweep\.failed +minutes=50$/m);
  });

  it("goes back as far as asked, with files, above a level, as JSON", async () => {
    await using fleet = await makeLogs();
    const [all, failed] = await Promise.all([
      fleet.run(["logs", "web-1", "--since", "2h", "--files"]),
      fleet.run(["logs", "web-1", "--since", "2h", "--level", "warn", "--json"]),
    ]);
    expect(eventsIn(all.stdout)).to.deep.equal([
      "agent.started",
      "sweep.failed",
      "file.removed",
      "sweep.completed",
    ]);
    const lines = failed.stdout.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).to.deep.equal([
      { level: "error", event: "sweep.failed", host: "web-1", minutes: 50 },
    ]);
  });

  it("asks by a query where the class of the log group allows nothing else", async () => {
    await using fleet = await makeLogs();
    fleet.front.refuse(READ, "InvalidParameterException", {
      when: ({ logGroupName }) => logGroupName === filesGroup(fleet),
    });
    const { stdout } = await fleet.run(["logs", "web-1", "--files"]);
    expect(eventsIn(stdout)).to.deep.equal(["sweep.failed", "file.removed", "sweep.completed"]);
    expect(fleet.insights.texts).to.have.length(1);
  });

  it("follows: a new record comes out without another start, and Ctrl-C ends it", async () => {
    await using fleet = await makeLogs();
    const child = fleet.start(["logs", "web-1", "--follow", "--json"]);
    const ended = once(child, "close");
    const lines = linesOf(child);
    const next = async () => JSON.parse((await lines.next()).value).event;
    expect([await next(), await next()]).to.deep.equal(["sweep.failed", "sweep.completed"]);
    await fleet.log("web-1", [record(0, "agent.stopping")]);
    expect(await next()).to.equal("agent.stopping");
    child.kill("SIGINT");
    const [exitCode] = await ended;
    expect(exitCode).to.equal(130);
  });

  for (const [what, args, exitCode, message] of [
    ["a host that nobody knows", ["nobody"], 2, /There is no log of host nobody in .*fleet hosts/s],
    ["what can be no host", ["../x"], 2, /"\.\.\/x" is no host id/],
    ["a time without a unit", ["web-1", "--since", "5"], 2, /--since must be a number with a unit/],
    ["an unknown level", ["web-1", "--level", "loud"], 2, /one of debug, info, warn, error/],
  ] as const) {
    it(`says what is wrong with ${what}`, async () => {
      await using fleet = await makeLoggedFleet(aws);
      const found = await fleet.run(["logs", ...args]);
      expect(found.exitCode).to.equal(exitCode);
      expect(found.stderr).to.match(message);
    });
  }

  it("names the permissions that are missing", async () => {
    await using fleet = await makeLogs();
    fleet.front.refuse(READ, "AccessDeniedException");
    const { exitCode, stderr } = await fleet.run(["logs", "web-1"]);
    expect(exitCode).to.equal(3);
    expect(stderr).to.match(/Allow logs:GetLogEvents to your own credentials/);
  });
});
