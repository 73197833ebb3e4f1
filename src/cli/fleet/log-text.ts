import type { LogRecord } from "../../fleet/logs/log-record.ts";
import type { Level } from "../../logs/events.ts";
import { printable } from "../text.ts";

const COLOURS: Readonly<Record<Level, string>> = { debug: "2", info: "0", warn: "33", error: "31" };

/** Events are aligned where they are no longer than this. */
const EVENT_WIDTH = 20;

/** A record as one line: time in UTC, level, event, and what else it says. */
export function logText(record: LogRecord, isColoured: boolean): string {
  const { at, level, event, fields } = record;
  const time = new Date(at).toISOString();
  const said = fields.map(([name, value]) => `${name}=${value}`).join(" ");
  const line = printable(
    `${time} ${(level ?? "").padEnd(5)} ${event.padEnd(EVENT_WIDTH)} ${said}`.trimEnd(),
  );
  const code = level === undefined ? undefined : COLOURS[level];
  return isColoured && code !== undefined && code !== "0"
    ? `\u001b[${code}m${line}\u001b[0m\n`
    : `${line}\n`;
}
