import { ServiceError } from "../../lib/errors.ts";
import { ROWS_MAX } from "../hosts/heartbeat-query.ts";
import type { LogLine, LogQueries, LogQuery } from "../log-queries.ts";

/**
 * Whether a log group does not let its streams be read: GetLogEvents is for groups of the Standard
 * class, those of the Infrequent Access class can be queried only
 * (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html).
 */
export function isForQueriesOnly(error: unknown): boolean {
  return error instanceof ServiceError && REFUSALS.has(error.code);
}

const REFUSALS: ReadonlySet<string> = new Set([
  "InvalidParameterException",
  "InvalidOperationException",
]);

/** A query for the records of one host, the oldest first. @param host a host id */
export function streamQuery(host: string): string {
  return [
    `filter @logStream = "${host}"`,
    "fields @timestamp, @message",
    "sort @timestamp asc",
    `limit ${ROWS_MAX}`,
  ].join(" | ");
}

/** The records of one host by a query. @throws ServiceError; the signal's reason */
export async function queryStream(
  queries: LogQueries,
  about: Omit<LogQuery, "text"> & { readonly host: string },
  signal: AbortSignal,
): Promise<readonly LogLine[]> {
  const { host, ...range } = about;
  const rows = await queries.run({ ...range, text: streamQuery(host) }, signal);
  return rows.map((row) => ({
    // Such as `2026-11-24 12:00:00.000`, in UTC.
    timestamp: Date.parse(`${(row["@timestamp"] ?? "").replace(" ", "T")}Z`),
    message: row["@message"] ?? "",
  }));
}
