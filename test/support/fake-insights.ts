import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import {
  type InsightsEvent,
  type InsightsRow,
  MalformedQuery,
  runInsights,
} from "../../tools/cloudwatch/insights-language.ts";
import { type FrontOperation, Refusal } from "./front-server.ts";

/** StartQuery: longest query (API reference, queryString). */
const QUERY_CHARACTERS_MAX = 10_000;

/** Queries at once in an account (API reference, StartQuery). */
const QUERIES_AT_ONCE = 100;

/** GetQueryResults: most rows of a page (API reference, maxItems). */
const PAGE_ROWS_MAX = 10_000;

/** Times are seconds; this one would be in the year 5138, so it is milliseconds. */
const SECONDS_MAX = 100_000_000_000;

const STATES = ["Scheduled", "Running", "Complete"] as const;

interface Query {
  readonly rows: readonly InsightsRow[];
  readonly records: number;
  state: number;
  stopped: boolean;
}

/** CloudWatch Logs Insights, to be put in front of a local AWS that holds the events. */
export interface FakeInsights {
  /** For `startFrontServer`. */
  readonly operations: Readonly<Record<string, FrontOperation>>;
  /** The texts of all queries that were started. */
  readonly texts: readonly string[];
  /** How many queries were stopped before they had ended. */
  stops(): number;
  /** Queries no longer come to an end, or again do. */
  hold(isHeld: boolean): void;
  /** All queries end so from now on, such as `Failed`. */
  endAs(status: string): void;
}

/**
 * Answers StartQuery, GetQueryResults and StopQuery. The events come from the FilterLogEvents of
 * the server behind.
 * @param upstream that server
 */
export function makeFakeInsights(upstream: string): FakeInsights {
  const queries = new Map<string, Query>();
  const texts: string[] = [];
  let isHeld = false;
  let end: string = "Complete";
  const isActive = ({ state, stopped }: Query) => !stopped && STATES[state] !== "Complete";

  const start: FrontOperation = async (input, headers) => {
    const { logGroupName, queryString, startTime, endTime } = input;
    const text = `${queryString}`;
    const [from, to] = [Number(startTime), Number(endTime)];
    if (!(from <= to && to < SECONDS_MAX) || text.length > QUERY_CHARACTERS_MAX) {
      throw new Refusal("InvalidParameterException", "times are seconds, queries not that long");
    }
    if ([...queries.values()].filter(isActive).length >= QUERIES_AT_ONCE) {
      throw new Refusal("LimitExceededException", "Account maximum query concurrency limit");
    }
    const events = await readEvents(upstream, `${logGroupName}`, [from, to], headers);
    try {
      const query = { rows: runInsights(text, events), records: events.length };
      const queryId = randomUUID();
      queries.set(queryId, { ...query, state: 0, stopped: false });
      texts.push(text);
      return { queryId };
    } catch (error) {
      if (!(error instanceof MalformedQuery)) throw error;
      throw new Refusal("MalformedQueryException", error.message);
    }
  };

  const results: FrontOperation = async ({ queryId, nextToken, maxItems = PAGE_ROWS_MAX }) => {
    const query = queries.get(`${queryId}`);
    if (query === undefined) throw new Refusal("ResourceNotFoundException", "no such query");
    if (Number(maxItems) > PAGE_ROWS_MAX)
      throw new Refusal("InvalidParameterException", "maxItems");
    const status = STATES[query.state] ?? "Complete";
    if (!isHeld && status !== "Complete") query.state += 1;
    const isComplete = status === "Complete";
    const first = Number(nextToken ?? 0);
    const last = first + Number(maxItems);
    // While it runs, what there is so far is partial.
    const page = isComplete ? query.rows.slice(first, last) : query.rows.slice(0, 1);
    return {
      status: isComplete ? end : status,
      statistics: { recordsScanned: query.records, recordsMatched: query.rows.length },
      results: page.map((row) => Object.entries(row).map(([field, value]) => ({ field, value }))),
      ...(isComplete && last < query.rows.length ? { nextToken: `${last}` } : {}),
    };
  };

  const stop: FrontOperation = async ({ queryId }) => {
    const query = queries.get(`${queryId}`);
    if (query === undefined) throw new Refusal("ResourceNotFoundException", "no such query");
    if (!isActive(query)) throw new Refusal("InvalidParameterException", "it has ended");
    query.stopped = true;
    return { success: true };
  };

  return {
    operations: {
      "Logs_20140328.StartQuery": start,
      "Logs_20140328.GetQueryResults": results,
      "Logs_20140328.StopQuery": stop,
    },
    texts,
    stops: () => [...queries.values()].filter(({ stopped }) => stopped).length,
    hold(value) {
      isHeld = value;
    },
    endAs(status) {
      end = status;
    },
  };
}

/** @param range seconds, both included */
async function readEvents(
  upstream: string,
  logGroupName: string,
  [from, to]: readonly [number, number],
  headers: IncomingHttpHeaders,
): Promise<readonly InsightsEvent[]> {
  const events: InsightsEvent[] = [];
  let nextToken: string | undefined;
  do {
    const answer = await fetch(upstream, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "Logs_20140328.FilterLogEvents",
        authorization: headers.authorization ?? "",
      },
      body: JSON.stringify({
        logGroupName,
        startTime: from * 1_000,
        endTime: to * 1_000 + 999,
        nextToken,
      }),
    });
    const page = (await answer.json()) as {
      readonly __type?: string;
      readonly events?: readonly {
        readonly timestamp: number;
        readonly message: string;
        readonly logStreamName: string;
      }[];
      readonly nextToken?: string | null;
    };
    if (!answer.ok) throw new Refusal("ResourceNotFoundException", "no such log group");
    for (const { timestamp, message, logStreamName } of page.events ?? []) {
      events.push({ timestamp, message, logStream: logStreamName });
    }
    nextToken = page.nextToken ?? undefined;
  } while (nextToken !== undefined);
  return events;
}
