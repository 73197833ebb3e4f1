import { ROWS_MAX } from "../../fleet/hosts/heartbeat-query.ts";
import { filesLogGroup, stateLogGroup } from "../../fleet/hosts/heartbeat-source.ts";
import type { LogLine } from "../../fleet/log-queries.ts";
import { LogCursor, mergeByTime, READS_PER_SECOND } from "../../fleet/logs/log-cursor.ts";
import { isAtLeast, readLogRecord } from "../../fleet/logs/log-record.ts";
import { isForQueriesOnly, queryStream } from "../../fleet/logs/stream-query.ts";
import { NAME_EXPECTS, NAME_PATTERN } from "../../host/names.ts";
import { configurationError, ExitCode } from "../../lib/errors.ts";
import { makePacer } from "../../lib/pacer.ts";
import { DURATION_SYNTAX, parseDuration } from "../../lib/units.ts";
import { LEVELS, type Level } from "../../logs/events.ts";
import type { CommandContext } from "../context.ts";
import { logText } from "./log-text.ts";
import { type FleetOptions, type FleetSession, openSession, withPermissions } from "./session.ts";

export interface LogsOptions extends FleetOptions {
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
  const sinceMs = readSince(options.since);
  const least = readLevel(options.level);
  if (!NAME_PATTERN.test(host)) {
    throw configurationError(
      `${JSON.stringify(host)} is no host id: it ${NAME_EXPECTS}.`,
      "See the ids with s3-offload-agent fleet hosts.",
    );
  }
  await using session = await openSession("logs", options, context, { host });
  const print = (line: LogLine) => {
    const record = readLogRecord(line);
    if (least !== undefined && !isAtLeast(record, least)) return;
    const raw = `${line.message.trimEnd()}\n`;
    context.stdout.write(options.json === true ? raw : logText(record, session.palette));
  };
  const { clock } = session.access;
  const about = { host, startAt: clock.now() - sinceMs, hasFiles: options.files === true };
  return await withPermissions(session, async () => {
    const cursors = await printAll(session, about, print);
    return options.follow === true ? await follow(cursors, session, print) : ExitCode.done;
  });
}

interface Asked {
  readonly host: string;
  /** Wall-clock milliseconds. */
  readonly startAt: number;
  readonly hasFiles: boolean;
}

/** Prints what there is. @returns where to go on */
async function printAll(
  { access, context, place, patience }: FleetSession,
  { host, startAt, hasFiles }: Asked,
  print: (line: LogLine) => void,
): Promise<readonly LogCursor[]> {
  const { queries, reader } = access.logs;
  const pace = makePacer(access.clock, READS_PER_SECOND);
  const groups = hasFiles ? [stateLogGroup(place), filesLogGroup(place)] : [stateLogGroup(place)];
  const cursors = groups.map(
    (group) => new LogCursor(reader, { group, stream: host, startAt }, pace),
  );
  const queried = new Set<LogCursor>();
  const linesOf = async function* (cursor: LogCursor): AsyncGenerator<LogLine> {
    try {
      yield* cursor.lines(patience);
    } catch (error) {
      if (!isForQueriesOnly(error)) throw error;
      queried.add(cursor);
      const range = { group: cursor.group, startAt, endAt: access.clock.now() };
      const lines = await queryStream(queries, { ...range, host }, patience.signal);
      yield* lines;
      if (lines.length >= ROWS_MAX) {
        context.stderr.write(
          `Of ${cursor.group} these were the first ${ROWS_MAX} records: --since a shorter time.\n`,
        );
      }
    }
  };
  for await (const line of mergeByTime(cursors.map(linesOf))) print(line);
  if (!cursors.some((cursor) => cursor.isThere || queried.has(cursor))) {
    throw noStream(host, groups);
  }
  return cursors.filter((cursor) => !queried.has(cursor));
}

/** Prints what comes, until somebody stops it. */
async function follow(
  cursors: readonly LogCursor[],
  { patience }: FleetSession,
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

function noStream(host: string, groups: readonly string[]) {
  return configurationError(
    `There is no log of host ${host} in ${groups.join(" or ")}.`,
    "Check the host's id, which s3-offload-agent fleet hosts shows, the fleet, the region and the profile.",
  );
}
