import {
  type CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
  type RejectedLogEventsInfo,
} from "@aws-sdk/client-cloudwatch-logs";
import type { LogDestination } from "../logs/log-destination.ts";
import { isInputRefused, isTimedOut, readFailure, retryAfterMs } from "./errors.ts";

/** A stream of CloudWatch Logs as a destination of log records. */
export function makeLogDestination(
  client: CloudWatchLogsClient,
  { group, stream }: { readonly group: string; readonly stream: string },
): LogDestination {
  return {
    name: group,
    async put(events, signal) {
      const command = new PutLogEventsCommand({
        logGroupName: group,
        logStreamName: stream,
        logEvents: events.map(({ timestamp, message }) => ({ timestamp, message })),
      });
      try {
        const answer = await client.send(command, { abortSignal: signal });
        return {
          kind: "accepted",
          rejected: rejectedCount(answer.rejectedLogEventsInfo, events.length),
        };
      } catch (error) {
        signal.throwIfAborted();
        const failure = readFailure(error);
        const { kind, code, message } = failure;
        if (kind === "missing") return { kind };
        if (isInputRefused(failure)) return { kind: "refused", code, message };
        const isTimeout = isTimedOut(failure);
        return { kind: "failed", code, message, retryAfterMs: retryAfterMs(error), isTimeout };
      }
    },
    async create(signal) {
      // The stream first: where infra/ has made the group, a host may be allowed no more than that.
      const refusal = await make(() => createStream(signal), signal);
      if (refusal?.kind !== "missing") return refusal;
      const made = await make(() => createGroup(signal), signal);
      return made ?? (await make(() => createStream(signal), signal));
    },
  };

  function createStream(signal: AbortSignal) {
    const command = new CreateLogStreamCommand({ logGroupName: group, logStreamName: stream });
    return client.send(command, { abortSignal: signal });
  }

  function createGroup(signal: AbortSignal) {
    return client.send(new CreateLogGroupCommand({ logGroupName: group }), { abortSignal: signal });
  }
}

async function make(create: () => Promise<unknown>, signal: AbortSignal) {
  try {
    await create();
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    const failure = readFailure(error);
    return failure.kind === "exists" ? undefined : failure;
  }
}

/**
 * A 200 can lose events: those before `tooOldLogEventEndIndex` or `expiredLogEventEndIndex`, and
 * those from `tooNewLogEventStartIndex` on (API reference, RejectedLogEventsInfo).
 */
function rejectedCount(info: RejectedLogEventsInfo | undefined, sent: number): number {
  if (info === undefined) return 0;
  const old = Math.max(info.tooOldLogEventEndIndex ?? 0, info.expiredLogEventEndIndex ?? 0);
  const tooNew = sent - (info.tooNewLogEventStartIndex ?? sent);
  return Math.min(sent, old + tooNew);
}
