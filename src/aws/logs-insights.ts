import {
  type CloudWatchLogsClient,
  GetQueryResultsCommand,
  type GetQueryResultsCommandOutput,
  StartQueryCommand,
  StopQueryCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import type { LogQueries, LogQuery, QueryRow } from "../fleet/log-queries.ts";
import { type Patience, patiently } from "../fleet/read-fleet.ts";
import { ServiceError } from "../lib/errors.ts";
import { readFailure, unreachableError } from "./errors.ts";

/** GetQueryResults: most rows of a page (API reference, maxItems). */
const PAGE_ROWS_MAX = 10_000;

/**
 * How often a query is looked after: often while it may be a quick one, then ever more seldom. An
 * account may ask for results five times a second (quotas of CloudWatch Logs).
 */
const POLL_MS_MIN = 300;
const POLL_MS_MAX = 3_000;
const POLL_GROWTH = 1.5;

/** The service gives a query an hour, a person at a terminal does not. */
const QUERY_MS_MAX = 5 * 60_000;

/** How long to try to stop a query that nobody waits for any more. */
const STOP_MS_MAX = 3_000;

/**
 * CloudWatch Logs Insights. When too many queries run in the account, which is told as
 * LimitExceededException, the next one waits for its turn; a query that is given up is stopped,
 * since it would go on at the account's cost.
 */
export function makeLogQueries(
  client: CloudWatchLogsClient,
  patience: Omit<Patience, "signal">,
): LogQueries {
  return {
    async run(query, signal, onProgress) {
      const waiting = { ...patience, signal };
      const queryId = await patiently(waiting, () => start(client, query, signal));
      let isEnded = false;
      try {
        const answer = await wait(queryId, query, signal, onProgress);
        isEnded = true;
        return await allRows(answer, queryId, query, signal);
      } finally {
        if (!isEnded) await stop(client, queryId);
      }
    },
  };

  async function wait(
    queryId: string,
    query: LogQuery,
    signal: AbortSignal,
    onProgress?: (recordsScanned: number) => void,
  ): Promise<GetQueryResultsCommandOutput> {
    const { clock } = patience;
    const giveUpAt = clock.monotonic() + QUERY_MS_MAX;
    for (let pauseMs = POLL_MS_MIN; ; pauseMs = Math.min(POLL_MS_MAX, pauseMs * POLL_GROWTH)) {
      await clock.sleep(pauseMs, signal);
      const answer = await page(queryId, query, undefined, signal);
      onProgress?.(answer.statistics?.recordsScanned ?? 0);
      if (answer.status === "Complete") return answer;
      const mayEnd = answer.status === "Scheduled" || answer.status === "Running";
      if (!mayEnd) throw endedBadly(query, `it ended as ${answer.status}`);
      if (clock.monotonic() >= giveUpAt) throw endedBadly(query, "it ran for five minutes");
    }
  }

  function page(
    queryId: string,
    query: LogQuery,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<GetQueryResultsCommandOutput> {
    const command = new GetQueryResultsCommand({
      queryId,
      nextToken: token,
      maxItems: PAGE_ROWS_MAX,
    });
    return patiently({ ...patience, signal }, async () => {
      try {
        return await client.send(command, { abortSignal: signal });
      } catch (error) {
        signal.throwIfAborted();
        throw refusal("logs:GetQueryResults", query, error);
      }
    });
  }

  async function allRows(
    first: GetQueryResultsCommandOutput,
    queryId: string,
    query: LogQuery,
    signal: AbortSignal,
  ): Promise<readonly QueryRow[]> {
    const rows: QueryRow[] = [];
    for (let answer = first; ; ) {
      for (const fields of answer.results ?? []) rows.push(rowOf(fields));
      if (answer.nextToken === undefined) return rows;
      answer = await page(queryId, query, answer.nextToken, signal);
    }
  }
}

async function start(
  client: CloudWatchLogsClient,
  query: LogQuery,
  signal: AbortSignal,
): Promise<string> {
  const command = new StartQueryCommand({
    logGroupName: query.group,
    queryString: query.text,
    startTime: Math.floor(query.startAt / 1_000),
    endTime: Math.ceil(query.endAt / 1_000),
  });
  try {
    const { queryId } = await client.send(command, { abortSignal: signal });
    if (queryId === undefined) throw new Error("The answer has no query id");
    return queryId;
  } catch (error) {
    signal.throwIfAborted();
    throw refusal("logs:StartQuery", query, error);
  }
}

async function stop(client: CloudWatchLogsClient, queryId: string): Promise<void> {
  try {
    await client.send(new StopQueryCommand({ queryId }), {
      abortSignal: AbortSignal.timeout(STOP_MS_MAX),
    });
  } catch {
    // It ends by itself, at the latest after an hour.
  }
}

function rowOf(fields: readonly { field?: string | undefined; value?: string | undefined }[]) {
  return Object.fromEntries(fields.map(({ field = "", value = "" }) => [field, value]));
}

function refusal(action: string, { group }: LogQuery, error: unknown): ServiceError {
  if (readFailure(error).kind !== "missing") {
    return unreachableError(`query the log group ${group}`, action, error);
  }
  return new ServiceError(`There is no log group ${group} in this account and region.`, {
    code: readFailure(error).code,
    isPassing: false,
    retryAfterMs: undefined,
    hint: "Check the fleet's name, the region and the profile; the group is made with the fleet's stack, or by the first host that writes its log.",
    cause: error,
  });
}

function endedBadly({ group }: LogQuery, reason: string): ServiceError {
  return new ServiceError(`The query of the log group ${group} has no answer: ${reason}.`, {
    code: "QueryFailed",
    isPassing: false,
    retryAfterMs: undefined,
    hint: "Try again; if it stays so, see the query's history in the console of CloudWatch Logs Insights.",
  });
}
