import { deflateRawSync, inflateRawSync } from "node:zlib";
import { parseRevision } from "../config/fleet-facts.ts";
import { configurationError } from "../lib/errors.ts";
import type { ParameterVersion } from "./parameter-store.ts";

/**
 * A release is what `fleet apply` and its fellows made of a fleet's parameters, written into the
 * fleet's `revision` when all of them were written. It holds every value, not only what changed:
 * SSM forgets the history of a parameter that is removed and the oldest of 100 versions of one that
 * is not, so a release that leaned on other histories could not be had back exactly.
 */
export interface ReleaseRecord {
  readonly id: string;
  /** Who asked for it, as his machine calls him; SSM knows the ARN. */
  readonly by: string;
  /** Why, in his own words. */
  readonly note: string | undefined;
  /** Over how long the hosts spread the reading of it. */
  readonly spreadMs: number;
  /** Every value by its key. */
  readonly leaves: ReadonlyMap<string, string>;
}

/** One of a fleet's releases, or a revision that somebody wrote by hand. */
export interface Release {
  /** Its number: the version of the revision. */
  readonly number: number;
  readonly writtenAt: number;
  readonly writtenBy: string;
  /** Undefined: it was written by hand. */
  readonly record: ReleaseRecord | undefined;
}

/**
 * A String parameter of the standard tier has at most 4 KB (Parameter Store quotas, Parameter
 * value). The advanced tier would cost, and could not be had back from.
 */
export const VALUE_BYTES_MAX = 4_096;

/** A record may unfold to more than it looks: no more than a fleet can have at all. */
const LEAVES_BYTES_MAX = 4_000_000;

/**
 * The text of a revision. Values are readable where they fit; where not, they are deflated.
 * @throws AgentError (exit code 2) if they do not fit even so, which is at some hundred values
 */
export function writeRelease({ id, by, note, spreadMs, leaves }: ReleaseRecord): string {
  const about = { id, by, ...(note === undefined ? {} : { note }), spread: durationText(spreadMs) };
  const sorted = [...leaves].sort(([one], [other]) => (one < other ? -1 : 1));
  const json = JSON.stringify(Object.fromEntries(sorted));
  const plain = JSON.stringify({ ...about, leaves: Object.fromEntries(sorted) });
  if (fits(plain)) return plain;
  const packed = deflateRawSync(json, { level: 9 }).toString("base64");
  const text = JSON.stringify({ ...about, leaves: packed });
  if (fits(text)) return text;
  throw configurationError(
    `The release cannot be recorded: its ${leaves.size} values take ${Buffer.byteLength(text)} bytes, and a parameter holds ${VALUE_BYTES_MAX}.`,
    "Take hosts out of the file and set their own values with `fleet host ID set`, or split the fleet.",
  );
}

/** SSM refuses values with `{{` in them, which it takes for references of its own. */
function fits(text: string): boolean {
  return Buffer.byteLength(text) <= VALUE_BYTES_MAX && !text.includes("{{");
}

/** Reads a revision; undefined: it is no release's. */
export function readRelease(text: string): ReleaseRecord | undefined {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(read)) return undefined;
  const { id, by, note } = read;
  const leaves = readLeaves(read["leaves"]);
  if (typeof id !== "string" || typeof by !== "string" || leaves === undefined) return undefined;
  return {
    id,
    by,
    note: typeof note === "string" ? note : undefined,
    spreadMs: parseRevision(text).spreadMs ?? 0,
    leaves,
  };
}

function readLeaves(read: unknown): Map<string, string> | undefined {
  let leaves = read;
  if (typeof read === "string") {
    try {
      const packed = Buffer.from(read, "base64");
      const json = inflateRawSync(packed, { maxOutputLength: LEAVES_BYTES_MAX });
      leaves = JSON.parse(json.toString("utf8"));
    } catch {
      return undefined;
    }
  }
  if (!isObject(leaves)) return undefined;
  const pairs = Object.entries(leaves);
  if (!pairs.every((pair): pair is [string, string] => typeof pair[1] === "string"))
    return undefined;
  return new Map(pairs);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The release log, the newest first, of the history of a revision. */
export function releasesOf(versions: readonly ParameterVersion[]): readonly Release[] {
  return versions
    .map(({ version, value, lastModifiedAt, lastModifiedUser }) => ({
      number: version,
      writtenAt: lastModifiedAt,
      writtenBy: lastModifiedUser,
      record: readRelease(value),
    }))
    .sort((one, other) => other.number - one.number);
}

/** One value that differs between two releases. */
export interface ReleaseChange {
  readonly key: string;
  /** Undefined: it was not there. */
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** What a release changed, by key. */
export function changesBetween(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly ReleaseChange[] {
  const keys = [...new Set([...before.keys(), ...after.keys()])].sort();
  return keys.flatMap((key) => {
    const [from, to] = [before.get(key), after.get(key)];
    return from === to ? [] : [{ key, from, to }];
  });
}

/** A duration in one unit, as `parseDuration` reads it. */
export function durationText(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds > 0 && seconds % 3_600 === 0) return `${seconds / 3_600}h`;
  if (seconds > 0 && seconds % 60 === 0) return `${seconds / 60}m`;
  return `${seconds}s`;
}
