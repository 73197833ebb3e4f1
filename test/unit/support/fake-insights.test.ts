import {
  CloudWatchLogsClient,
  GetQueryResultsCommand,
  StartQueryCommand,
  StopQueryCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { expect } from "chai";
import { makeFakeInsights } from "../../support/fake-insights.ts";
import { type FrontServer, startFrontServer } from "../../support/front-server.ts";

const GROUP = "/s3-offload-agent/web";
const START_S = 1_700_000_000;

describe("the Logs Insights double", () => {
  /** A service behind that holds so many events, in pages of 7,000. */
  const startLogs = (count: number) =>
    startFrontServer("http://127.0.0.1:9", {
      "Logs_20140328.FilterLogEvents": async ({ startTime, nextToken }) => {
        const [first, last] = [Number(nextToken ?? 0), Number(nextToken ?? 0) + 7_000];
        const events = Array.from({ length: Math.min(last, count) - first }, (_, index) => ({
          timestamp: Number(startTime) + first + index,
          message: `{"n":${first + index}}`,
          logStreamName: "s",
        }));
        return { events, nextToken: last < count ? `${last}` : null };
      },
    });

  const withInsights = async (
    count: number,
    use: (logs: CloudWatchLogsClient, front: FrontServer) => Promise<void>,
  ) => {
    await using behind = await startLogs(count);
    await using front = await startFrontServer(
      behind.endpoint,
      makeFakeInsights(behind.endpoint).operations,
    );
    const client = new CloudWatchLogsClient({
      endpoint: front.endpoint,
      region: "eu-central-1",
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
      maxAttempts: 1,
    });
    await use(client, front);
    client.destroy();
  };

  const start = (queryString: string, more = {}) =>
    new StartQueryCommand({
      logGroupName: GROUP,
      queryString,
      startTime: START_S,
      endTime: START_S + 60,
      ...more,
    });

  const failureOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => "none",
      (error: Error) => error.name,
    );

  it("is Scheduled, then Running, then Complete, and pages of 10,000 rows", async () => {
    await withInsights(15_000, async (logs) => {
      const { queryId } = await logs.send(start("fields @message | limit 20000"));
      const statuses = [];
      const sizes = [];
      let nextToken: string | undefined;
      do {
        const answer = await logs.send(new GetQueryResultsCommand({ queryId, nextToken }));
        statuses.push(answer.status);
        if (answer.status === "Complete") sizes.push(answer.results?.length);
        nextToken = answer.nextToken;
      } while (nextToken !== undefined || sizes.length === 0);
      expect(statuses).to.deep.equal(["Scheduled", "Running", "Complete", "Complete"]);
      expect(sizes).to.deep.equal([10_000, 5_000]);
    });
  });

  it("refuses what the service refuses", async () => {
    await withInsights(1, async (logs) => {
      const ms = { startTime: START_S * 1_000, endTime: START_S * 1_000 + 1 };
      const tried = [
        start("limit 1", ms),
        start("limit 1", { endTime: START_S - 1 }),
        start(`limit 1${" ".repeat(10_000)}`),
        start("explain everything"),
        new GetQueryResultsCommand({ queryId: "none" }),
      ];
      const failures = await Promise.all(
        tried.map((command) => failureOf(logs.send(command as StartQueryCommand))),
      );
      expect(failures).to.deep.equal([
        "InvalidParameterException",
        "InvalidParameterException",
        "InvalidParameterException",
        "MalformedQueryException",
        "ResourceNotFoundException",
      ]);
    });
  });

  it("runs a hundred queries at once and no more, until one is stopped", async () => {
    await withInsights(1, async (logs) => {
      const begun = [];
      for (let index = 0; index < 100; index += 1) begun.push(await logs.send(start("limit 1")));
      expect(await failureOf(logs.send(start("limit 1")))).to.equal("LimitExceededException");
      await logs.send(new StopQueryCommand({ queryId: begun[0]?.queryId }));
      expect(await failureOf(logs.send(start("limit 1")))).to.equal("none");
    });
  });

  it("hands on what it does not know, and refuses what a test wants refused", async () => {
    await withInsights(1, async (logs, front) => {
      front.refuse("Logs_20140328.StartQuery", "ThrottlingException", { times: 1 });
      expect(await failureOf(logs.send(start("limit 1")))).to.equal("ThrottlingException");
      expect(await failureOf(logs.send(start("limit 1")))).to.equal("none");
      const other = await fetch(front.endpoint, {
        method: "POST",
        headers: { "x-amz-target": "Logs_20140328.FilterLogEvents" },
        body: '{"startTime":0}',
      });
      expect(((await other.json()) as { events: unknown[] }).events).to.have.length(1);
    });
  });
});
