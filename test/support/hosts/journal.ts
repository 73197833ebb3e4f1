import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { checkRecord, isRecord } from "../../../tools/records/record-rules.ts";

/** One entry of a host's journal. */
export interface JournalEntry {
  /** Wall clock of the host, milliseconds. */
  readonly at: number;
  readonly cursor: string;
  /** Such as `s3-offload-agent.service`: of what wrote it, or of what systemd wrote about. */
  readonly unit: string | undefined;
  /** Who wrote it, such as `systemd` or `node`. */
  readonly identifier: string | undefined;
  readonly pid: number | undefined;
  /** 0 to 7, as syslog has it. */
  readonly priority: number;
  readonly message: string;
  /** The agent's record, if the message is one. */
  readonly record: AgentRecord | undefined;
}

export type AgentRecord = Readonly<Record<string, unknown>>;

/** What of an entry is wanted: the rest is many times as much. */
export const JOURNAL_FIELDS = [
  "MESSAGE",
  "PRIORITY",
  "SYSLOG_IDENTIFIER",
  "UNIT",
  "_PID",
  "_SYSTEMD_UNIT",
];

/** Where `tools/check-records.ts` looks for what agents have written. */
const DIRECTORY = process.env["S3OA_RECORDS_DIR"];

/**
 * Reads a line of `journalctl --output=json --all`.
 * @throws Error if it holds a record of the agent that is not as the tables of events say
 */
export function parseEntry(line: string): JournalEntry {
  const fields = JSON.parse(line);
  const text = (name: string): string | undefined => {
    const value: unknown = fields[name];
    // A field that is no text comes as its bytes; one that was given twice as a list.
    if (!Array.isArray(value)) return value as string | undefined;
    return typeof value[0] === "number" ? Buffer.from(value).toString() : String(value[0]);
  };
  const pid = text("_PID");
  const message = text("MESSAGE") ?? "";
  return {
    at: Number(text("__REALTIME_TIMESTAMP")) / 1000,
    cursor: text("__CURSOR") ?? "",
    unit: text("UNIT") ?? text("_SYSTEMD_UNIT"),
    identifier: text("SYSLOG_IDENTIFIER"),
    pid: pid === undefined ? undefined : Number(pid),
    priority: Number(text("PRIORITY") ?? 6),
    message,
    record: recordOf(message),
  };
}

/** How many entries of a journal an error message repeats. */
const LAST_ENTRIES = 15;

/** What a journal says last, for a person. */
export function endOf(entries: readonly JournalEntry[]): string {
  const last = entries.slice(-LAST_ENTRIES).map(({ at, identifier, message }) => {
    return `${new Date(at).toISOString()} ${identifier}: ${message}`;
  });
  return `its journal ends\n${last.join("\n")}`;
}

function recordOf(message: string): AgentRecord | undefined {
  if (!message.startsWith("{") || !isRecord(message)) return undefined;
  if (DIRECTORY !== undefined && DIRECTORY !== "") {
    appendFileSync(join(DIRECTORY, `${process.pid}.journal`), `${message}\n`);
  }
  const problems = checkRecord(message);
  if (problems.length > 0) throw new Error(`${problems.join("; ")}: ${message}`);
  return JSON.parse(message);
}
