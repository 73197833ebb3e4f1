import { makeLogReader } from "../../aws/log-reader.ts";
import { makeLogQueries } from "../../aws/logs-insights.ts";
import { NAME_EXPECTS, NAME_PATTERN } from "../../config/bootstrap.ts";
import { filesLogGroup, stateLogGroup } from "../../fleet/hosts/heartbeat-source.ts";
import type { LogLine } from "../../fleet/log-queries.ts";
import { LogCursor, mergeByTime, READS_PER_SECOND } from "../../fleet/logs/log-cursor.ts";
import { isAtLeast, readLogRecord } from "../../fleet/logs/log-record.ts";
import { isForQueriesOnly, queryStream } from "../../fleet/logs/stream-query.ts";
import type { Patience } from "../../fleet/read-fleet.ts";
import { systemClock } from "../../lib/clock.ts";
import { configurationError, ExitCode } from "../../lib/errors.ts";
import { makePacer } from "../../lib/pacer.ts";
import { DURATION_SYNTAX, parseDuration } from "../../lib/units.ts";
import { LEVELS, type Level } from "../../logs/events.ts";
import type { CommandContext } from "../context.ts";
import { logText } from "./log-text.ts";
import { type Operator, type OperatorOptions, startOperator } from "./operator.ts";

export interface LogsOptions extends OperatorOptions {
  readonly since: string;
  readonly follow?: boolean;
  readonly files?: boolean;
  readonly level?: string;
}

/** While nothing new comes, the log is looked at ever more seldom. */
const FOLLOW_MS_MIN = 1_000;
const FOLLOW_MS_MAX = 10_000;
const FOLLOW_GROWTH = 1.5;

/**
 * `fleet logs HOST`: the records of a host, the oldest first.
 * @throws AgentError (exit code 2 or 3)
 */
export async function fleetLogs(
  host: string,
  options: LogsOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const startAt = systemClock.now() - readSince(options.since);
  const least = readLevel(options.level);
  if (!NAME_PATTERN.test(host)) {
    throw configurationError(
      `${JSON.stringify(host)} is no host id: it ${NAME_EXPECTS}.`,
      "See the ids with s3-offload-agent fleet hosts.",
    );
  }
  using operator = await startOperator(options, context);
  const isColoured = context.isTerminal && !context.env["NO_COLOR"];
  const print = (line: LogLine) => {
    const record = readLogRecord(line);
    if (least !== undefined && !isAtLeast(record, least)) return;
    context.stdout.write(
      options.json === true ? `${line.message.trimEnd()}\n` : logText(record, isColoured),
    );
  };

  const { stop: signal } = context;
  const patience: Patience = { clock: systemClock, random: Math.random, signal };
  const { place, clients } = operator;
  const reader = makeLogReader(clients.logs);
  const pace = makePacer(systemClock, READS_PER_SECOND);
  const cursorOf = (group: string) => new LogCursor(reader, { group, stream: host, startAt }, pace);
  const state = cursorOf(stateLogGroup(place.parameterRoot, place.fleet));
  const files = cursorOf(filesLogGroup(place.parameterRoot, place.fleet));

  const sources = [state.lines(patience)];
  if (options.files === true) sources.push(fileLines(files, { host, startAt }, operator, patience));
  for await (const line of mergeByTime(sources)) print(line);
  if (!state.isThere && !files.isThere) throw noStream(host, state.group);
  if (options.follow !== true) return ExitCode.done;
  return await follow(options.files === true ? [state, files] : [state], patience, print);
}

/** The records of files, by a query where the group's class allows nothing else. */
async function* fileLines(
  cursor: LogCursor,
  about: { readonly host: string; readonly startAt: number },
  { clients }: Operator,
  patience: Patience,
): AsyncGenerator<LogLine> {
  try {
    yield* cursor.lines(patience);
  } catch (error) {
    if (!isForQueriesOnly(error)) throw error;
    const queries = makeLogQueries(clients.logs, patience);
    const range = { ...about, group: cursor.group, endAt: systemClock.now() };
    yield* await queryStream(queries, range, patience.signal);
  }
}

/** Prints what comes, until somebody stops it. */
async function follow(
  cursors: readonly LogCursor[],
  patience: Patience,
  print: (line: LogLine) => void,
): Promise<ExitCode> {
  const { clock, signal } = patience;
  for (let pauseMs = FOLLOW_MS_MIN; ; pauseMs = Math.min(FOLLOW_MS_MAX, pauseMs * FOLLOW_GROWTH)) {
    await clock.sleep(pauseMs, signal);
    for await (const line of mergeByTime(cursors.map((cursor) => cursor.lines(patience)))) {
      print(line);
      pauseMs = FOLLOW_MS_MIN;
    }
  }
}

function readSince(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  throw configurationError(
    `--since must be ${DURATION_SYNTAX}: it is ${JSON.stringify(text)}.`,
    "Say how far back to begin, such as --since 6h.",
  );
}

function readLevel(text: string | undefined): Level | undefined {
  if (text === undefined) return undefined;
  const level = LEVELS.find((known) => known === text.toLowerCase());
  if (level !== undefined) return level;
  throw configurationError(
    `There is no level ${JSON.stringify(text)}.`,
    `Say one of ${LEVELS.join(", ")}.`,
  );
}

function noStream(host: string, group: string) {
  return configurationError(
    `There is no log of host ${host} in ${group}.`,
    "Check the host's id, which s3-offload-agent fleet hosts shows, the fleet, the region and the profile.",
  );
}
