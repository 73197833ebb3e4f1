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
  /** Over how long the hosts spread the reading of it; null: over their refresh interval. */
  readonly spreadMs: number | null;
  /** Every value by its key. */
  readonly leaves: ReadonlyMap<string, string>;
}

/** One of a fleet's releases, or a revision that somebody wrote by hand. */
export interface Release {
  /** Its number: the version of the revision. */
  readonly number: number;
  readonly writtenAt: number;
  readonly writtenBy: string;
  /** Undefined: it was written by hand, or a part of it was removed. */
  readonly record: ReleaseRecord | undefined;
}

/**
 * A String parameter of the standard tier has at most 4 KB (Parameter Store quotas, Parameter
 * value). The advanced tier would cost, and could not be had back from.
 */
export const VALUE_BYTES_MAX = 4_096;

/** A record may unfold to more than it looks: no more than a fleet can have at all. */
const LEAVES_BYTES_MAX = 4_000_000;

/** Enough for as many values as an account may have parameters, which is 10,000. */
const PARTS_MAX = 50;

/** A release as it is kept: the value of the revision, and of the parts beside it, if it has any. */
export interface ReleaseTexts {
  readonly revision: string;
  readonly parts: readonly string[];
}

/**
 * The text of a revision. Values are readable where they fit; where not, they are deflated, and
 * where they do not fit even so, which is at some hundred values, they are cut into parts that are
 * parameters of their own. The revision then has their versions, which name them exactly.
 * @param partVersion the version of the n-th part now, from 0; undefined: there is none
 * @throws AgentError (exit code 2) if they do not fit at all
 */
export function writeRelease(
  { id, by, note, spreadMs, leaves }: ReleaseRecord,
  partVersion: (index: number) => number | undefined,
): ReleaseTexts {
  const about = {
    id,
    by,
    ...(note === undefined ? {} : { note }),
    ...(spreadMs === null ? {} : { spread: durationText(spreadMs) }),
  };
  const sorted = [...leaves].sort(([one], [other]) => (one < other ? -1 : 1));
  const plain = JSON.stringify({ ...about, leaves: Object.fromEntries(sorted) });
  if (fits(plain)) return { revision: plain, parts: [] };
  const json = JSON.stringify(Object.fromEntries(sorted));
  const packed = deflateRawSync(json, { level: 9 }).toString("base64");
  const short = JSON.stringify({ ...about, leaves: packed });
  if (fits(short)) return { revision: short, parts: [] };
  const count = Math.ceil(packed.length / VALUE_BYTES_MAX);
  const parts = Array.from({ length: count }, (_, index) =>
    packed.slice(index * VALUE_BYTES_MAX, (index + 1) * VALUE_BYTES_MAX),
  );
  const versions = parts.map((_, index) => (partVersion(index) ?? 0) + 1);
  const revision = JSON.stringify({ ...about, leaves: versions });
  if (fits(revision) && count <= PARTS_MAX) return { revision, parts };
  throw configurationError(
    `The release cannot be recorded: it has ${leaves.size} values, which take ${packed.length} bytes.`,
    "Take hosts out of the file and set their own values with `fleet host ID set`, or split the fleet.",
  );
}

/** SSM refuses values with `{{` in them, which it takes for references of its own. */
function fits(text: string): boolean {
  return Buffer.byteLength(text) <= VALUE_BYTES_MAX && !text.includes("{{");
}

/** The text of the n-th part, from 0, in a version; undefined: it is not to be had any more. */
export type FindPart = (index: number, version: number) => string | undefined;

/** Reads a revision; undefined: it is no release's, or not all of it is to be had. */
export function readRelease(text: string, findPart: FindPart): ReleaseRecord | undefined {
  const read = parseObject(text);
  if (read === undefined) return undefined;
  const { id, by, note } = read;
  const leaves = readLeaves(read["leaves"], findPart);
  if (typeof id !== "string" || typeof by !== "string" || leaves === undefined) return undefined;
  return {
    id,
    by,
    note: typeof note === "string" ? note : undefined,
    spreadMs: parseRevision(text).spreadMs ?? null,
    leaves,
  };
}

/** How many parts a release is kept in, beside its revision. */
export function countParts(text: string): number {
  const leaves = parseObject(text)?.["leaves"];
  return Array.isArray(leaves) ? Math.min(leaves.length, PARTS_MAX) : 0;
}

function readLeaves(read: unknown, findPart: FindPart): Map<string, string> | undefined {
  if (Array.isArray(read)) {
    const parts = read.slice(0, PARTS_MAX).map((version, index) => findPart(index, version));
    if (parts.includes(undefined)) return undefined;
    return readLeaves(parts.join(""), findPart);
  }
  const leaves = typeof read === "string" ? unpack(read) : read;
  if (!isObject(leaves)) return undefined;
  const pairs = Object.entries(leaves);
  if (!pairs.every((pair): pair is [string, string] => typeof pair[1] === "string"))
    return undefined;
  return new Map(pairs);
}

function unpack(text: string): unknown {
  try {
    const packed = Buffer.from(text, "base64");
    const json = inflateRawSync(packed, { maxOutputLength: LEAVES_BYTES_MAX });
    return JSON.parse(json.toString("utf8"));
  } catch {
    return undefined;
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const read: unknown = JSON.parse(text);
    return isObject(read) ? read : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The release log, the newest first, of the history of a revision. */
export function releasesOf(
  versions: readonly ParameterVersion[],
  findPart: FindPart,
): readonly Release[] {
  return versions
    .map(({ version, value, lastModifiedAt, lastModifiedUser }) => ({
      number: version,
      writtenAt: lastModifiedAt,
      writtenBy: lastModifiedUser,
      record: readRelease(value, findPart),
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
