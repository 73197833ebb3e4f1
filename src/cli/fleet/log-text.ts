import type { LogRecord } from "../../fleet/logs/log-record.ts";
import type { Palette } from "../../lib/palette.ts";
import type { Level } from "../../logs/events.ts";
import { printable } from "../text.ts";

const COLOURS: Readonly<Partial<Record<Level, keyof Palette>>> = {
  debug: "dim",
  warn: "yellow",
  error: "red",
};

/** Events are aligned where they are no longer than this. */
const EVENT_WIDTH = 20;

/** A record as one line: time in UTC, level, event, and what else it says. */
export function logText(record: LogRecord, palette: Palette): string {
  const { at, level, event, fields } = record;
  const time = new Date(at).toISOString();
  const said = fields.map(([name, value]) => `${name}=${value}`).join(" ");
  const line = printable(
    `${time} ${(level ?? "").padEnd(5)} ${event.padEnd(EVENT_WIDTH)} ${said}`.trimEnd(),
  );
  const colour = level === undefined ? undefined : COLOURS[level];
  return `${colour === undefined ? line : palette[colour](line)}\n`;
}
