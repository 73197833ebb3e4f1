const DURATION_UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const BYTE_UNITS = {
  B: 1,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
} as const;

/** What `parseDuration` takes, for messages. */
export const DURATION_SYNTAX = "a number with a unit (ms, s, m, h or d), such as 30s or 10m";

/** What `parseBytes` takes, for messages. */
export const BYTES_SYNTAX = "a number with a unit (B, KB, MB, GB, KiB, MiB or GiB), such as 64KiB";

/**
 * Reads a duration such as `30s`, `1.5h` or `250ms`.
 * @returns whole milliseconds, or undefined if the text is not a duration. A bare number is not
 *   one: nobody can tell whether its writer thought of seconds or of minutes.
 */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, DURATION_UNITS_MS);
}

/**
 * Reads a size such as `512B`, `64KiB` or `1.5GiB`.
 * @returns whole bytes, or undefined if the text is not a size.
 */
export function parseBytes(text: string): number | undefined {
  return parseQuantity(text, BYTE_UNITS);
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, amount = "", unit = ""] = match;
  if (!Object.hasOwn(units, unit)) return undefined;
  const value = Math.round(Number(amount) * (units[unit] ?? Number.NaN));
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * Writes a duration for people: the two largest units that say something, such as `9m 58s`.
 * @param ms a duration in milliseconds; a negative one is written as `0s`.
 */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return ms <= 0 ? "0s" : `${Math.ceil(ms)}ms`;
  let rest = Math.round(ms / 1_000);
  const parts: string[] = [];
  for (const [unit, seconds] of [
    ["d", 86_400],
    ["h", 3_600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

/** Writes a size for people, such as `12.3 KiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  let value = bytes;
  let unit = "B";
  for (const next of ["KiB", "MiB", "GiB", "TiB"]) {
    if (value < 1_024) break;
    value /= 1_024;
    unit = next;
  }
  return `${value.toFixed(1)} ${unit}`;
}
