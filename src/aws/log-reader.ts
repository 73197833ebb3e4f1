import { type CloudWatchLogsClient, GetLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import type { LogReader } from "../fleet/log-queries.ts";
import { readFailure, unreachableError } from "./errors.ts";

/** The streams of CloudWatch Logs, by GetLogEvents. */
export function makeLogReader(client: CloudWatchLogsClient): LogReader {
  return {
    async readPage({ group, stream, startAt }, token, signal) {
      const command = new GetLogEventsCommand({
        logGroupName: group,
        logStreamName: stream,
        startTime: startAt,
        startFromHead: true,
        nextToken: token,
      });
      try {
        const answer = await client.send(command, { abortSignal: signal });
        const lines = (answer.events ?? []).map(({ timestamp = 0, message = "" }) => ({
          timestamp,
          message,
        }));
        return { lines, token: answer.nextForwardToken };
      } catch (error) {
        signal.throwIfAborted();
        if (readFailure(error).kind === "missing") return undefined;
        throw unreachableError(`read the log ${stream} in ${group}`, "logs:GetLogEvents", error);
      }
    },
  };
}
