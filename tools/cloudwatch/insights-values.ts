/** The query is not valid; the service says MalformedQueryException. */
export class MalformedQuery extends Error {}

/** A moment, which is shown as text and is no number. */
export interface Timestamp {
  /** Wall-clock milliseconds. */
  readonly at: number;
}

/** What a field of a row has in it. */
export type Value = string | number | boolean | Timestamp | undefined;

export type Row = ReadonlyMap<string, Value>;

/** The number that a value is, or that its text says. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  if (typeof value === "object") return value.at;
  if (value === undefined || !/^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/.test(value)) return undefined;
  return Number(value);
}

/** A value as the service shows it. */
export function textOf(value: Value): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "object") {
    return new Date(value.at).toISOString().replace("T", " ").replace("Z", "");
  }
  return typeof value === "boolean" ? String(Number(value)) : String(value);
}

/**
 * Numbers after everything else and by value; else piece by piece, digits by their length and then
 * their value, the rest by Unicode (page CWL_QuerySyntax-Sort).
 */
export function compareNaturally(one = "", other = ""): number {
  const [number, otherNumber] = [numberOf(one), numberOf(other)];
  if ((number === undefined) !== (otherNumber === undefined)) return number === undefined ? -1 : 1;
  if (number !== undefined && otherNumber !== undefined) {
    if (number !== otherNumber) return number - otherNumber;
    return one < other ? -1 : Number(one > other);
  }
  const [pieces, others] = [piecesOf(one), piecesOf(other)];
  for (const [index, piece] of pieces.entries()) {
    const against = others[index];
    if (against === undefined) return 1;
    const areDigits = /^\d/.test(piece) && /^\d/.test(against);
    const byLength = areDigits ? piece.length - against.length : 0;
    if (byLength !== 0) return byLength;
    if (piece !== against) return piece < against ? -1 : 1;
  }
  return pieces.length - others.length;
}

function piecesOf(text: string): readonly string[] {
  return text.match(/\d+|\D+/g) ?? [];
}
