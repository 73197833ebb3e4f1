import convict, { type Format, type SchemaObj } from "convict";
import { messageOf } from "../lib/errors.ts";
import {
  BYTES_SYNTAX,
  DURATION_SYNTAX,
  formatBytes,
  formatDuration,
  parseBytes,
  parseDuration,
} from "../lib/units.ts";
import { parseSchedule } from "../schedule/schedule.ts";
import { prefixProblem } from "../sweep/object-key.ts";

/**
 * The types that settings have beyond convict's own. A value arrives as the text that a person put
 * into a parameter; `coerce` makes the typed value of it and leaves text that it cannot read as it
 * is, so that `validate` can say what would be right.
 */
const formats: Readonly<Record<string, Format>> = {
  duration: {
    coerce: (value: unknown) =>
      typeof value === "string" ? (parseDuration(value) ?? value) : value,
    validate(value: unknown, schema: SchemaObj) {
      if (typeof value !== "number") throw new Error(`must be ${DURATION_SYNTAX}`);
      assertRange(value, schema, formatDuration);
    },
  },
  "duration-or-auto": {
    coerce: (value: unknown) =>
      typeof value === "string" ? (parseDuration(value) ?? value) : value,
    validate(value: unknown, schema: SchemaObj) {
      if (value === "auto") return;
      if (typeof value !== "number") throw new Error(`must be auto or ${DURATION_SYNTAX}`);
      assertRange(value, schema, formatDuration);
    },
  },
  // Bytes a second; `10MiB/s` is what people write as well. 0 is no limit.
  bandwidth: {
    coerce: (value: unknown) => {
      if (value === "") return 0;
      return typeof value === "string" ? (parseBytes(value.replace(/\/s$/, "")) ?? value) : value;
    },
    validate(value: unknown, schema: SchemaObj) {
      if (value === 0) return;
      if (typeof value !== "number") throw new Error(`must be none or ${BYTES_SYNTAX}, a second`);
      assertRange(value, schema, formatBytes);
    },
  },
  count: {
    coerce: (value: unknown) =>
      typeof value === "string" && /^\d+$/.test(value.trim()) ? Number(value) : value,
    validate(value: unknown, schema: SchemaObj) {
      if (!Number.isSafeInteger(value)) throw new Error("must be a whole number");
      assertRange(Number(value), schema, String);
    },
  },
  globs: {
    coerce: (value: unknown) => (typeof value === "string" ? splitList(value) : value),
    validate: assertGlobs,
  },
  // As paths are separated, but the colons of an access point's ARN separate nothing.
  buckets: {
    coerce: (value: unknown) =>
      typeof value === "string" ? value.split(/(?<!(?:^|:)arn(?::[^:]*){0,4}):/) : value,
    validate(value: unknown, schema: SchemaObj) {
      const pattern: unknown = schema["pattern"];
      const isBucket = (item: unknown) =>
        item === "*" ||
        (typeof item === "string" && pattern instanceof RegExp && pattern.test(item));
      const isRight = Array.isArray(value) && value.length > 0 && value.every(isBucket);
      if (!isRight) throw new Error(String(schema["expects"]));
    },
  },
  // A list of folders in an environment variable is separated by colons, as PATH is.
  paths: {
    coerce: (value: unknown) => (typeof value === "string" ? value.split(":") : value),
    validate: assertTexts,
  },
  tags: {
    coerce: (value: unknown) => (typeof value === "string" ? parseTags(value) : value),
    validate(value: unknown) {
      // https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
      if (!Array.isArray(value)) throw new Error("must be NAME=VALUE pairs separated by commas");
      const tags = value as [string, string][];
      const names = tags.map(([name]) => name);
      if (new Set(names).size < names.length) throw new Error("names a tag twice");
      if (names.some((name) => /^aws:/i.test(name))) throw new Error("tags of aws: are AWS's own");
      if (tags.length > 10) throw new Error("S3 takes at most 10 tags");
      for (const [name, text] of tags) {
        if (name === "" || name.length > 128)
          throw new Error("a tag's name has 1 to 128 characters");
        if (text.length > 256)
          throw new Error(`the value of tag ${name} has more than 256 characters`);
      }
    },
  },
  prefix: {
    validate(value: unknown) {
      const problem = typeof value === "string" ? prefixProblem(value) : "must be text";
      if (problem !== undefined) throw new Error(problem);
    },
  },
  // The splay and the time zone that go with it are settings of their own.
  schedule: {
    validate(value: unknown) {
      if (typeof value !== "string") throw new Error("must be one text, not a list");
      parseSchedule(value, { timezone: "UTC", splayMs: 0 });
    },
  },
  directory: {
    validate(value: unknown) {
      const problem = typeof value === "string" ? directoryProblem(value) : "must be one path";
      if (problem !== undefined) throw new Error(problem);
    },
  },
  timezone: {
    validate(value: unknown) {
      try {
        if (typeof value !== "string") throw new Error("it is a list");
        new Intl.DateTimeFormat("en", { timeZone: value });
      } catch (error) {
        throw new Error(`must be an IANA time zone such as Europe/Berlin (${messageOf(error)})`);
      }
    },
  },
  text: {
    validate(value: unknown, schema: SchemaObj) {
      if (value === null) throw new Error("is required and not set");
      const pattern: unknown = schema["pattern"];
      const matches = typeof value === "string" && pattern instanceof RegExp && pattern.test(value);
      if (!matches) throw new Error(String(schema["expects"]));
    },
  },
};

for (const [name, format] of Object.entries(formats)) convict.addFormat({ ...format, name });

export { convict };

function assertRange(value: number, schema: SchemaObj, write: (value: number) => string): void {
  const min: unknown = schema["min"];
  const max: unknown = schema["max"];
  if (typeof min === "number" && value < min) throw new Error(`must be at least ${write(min)}`);
  if (typeof max === "number" && value > max) throw new Error(`must be at most ${write(max)}`);
}

function assertTexts(value: unknown): void {
  const isList =
    Array.isArray(value) && value.every((text) => typeof text === "string" && text !== "");
  if (!isList || value.length === 0) throw new Error("must be a list of texts, none of them empty");
}

/** Far more than anybody writes; matching a path takes time for each. */
const GLOBS_MAX = 100;
const GLOB_CHARACTERS_MAX = 1_024;
/** Each star of a glob can stop at any character of a path, and all of them together at any n of them. */
const STARS_MAX = 10;

function assertGlobs(value: unknown): void {
  // `none` is an empty list, where the schema takes it.
  if (Array.isArray(value) && value.length === 0) return;
  assertTexts(value);
  const globs = value as string[];
  if (globs.length > GLOBS_MAX) throw new Error(`must be at most ${GLOBS_MAX} globs`);
  for (const glob of globs) {
    const about = `the glob ${glob.slice(0, 40)}`;
    if (glob.length > GLOB_CHARACTERS_MAX) {
      throw new Error(`${about}... has more than ${GLOB_CHARACTERS_MAX} characters`);
    }
    if (/\p{Cc}/u.test(glob)) throw new Error("must not contain control characters");
    if (glob.startsWith("/")) {
      throw new Error(`${about} begins with a slash, but paths are relative to the directory`);
    }
    if (/(^|\/)\.\.?(\/|$)/.test(glob)) {
      throw new Error(`${about} has a segment . or .., which no path has`);
    }
    if (glob.startsWith("!")) {
      throw new Error(`${about} begins with an exclamation mark: use exclude`);
    }
    if (/[+@?*!]\(/.test(glob)) throw new Error(`${about} has a group such as +(a|b): use {a,b}`);
    if ((glob.match(/\*+/g) ?? []).length > STARS_MAX) {
      throw new Error(`${about} has more than ${STARS_MAX} stars`);
    }
  }
}

/** Linux takes paths of up to 4,095 bytes (limits.h, PATH_MAX). */
const PATH_BYTES_MAX = 4_095;

function directoryProblem(path: string): string | undefined {
  if (path.trim() === "") return "must be a path";
  if (path !== path.trim()) return "must not begin or end with a space or a line end";
  if (/\p{Cc}/u.test(path)) return "must not contain control characters";
  if (path.startsWith("~")) return "must be the path itself: ~ stands for nothing here";
  if (/[${}]/.test(path)) return "must be the path itself: there are no variables in it";
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) return `must be at most ${PATH_BYTES_MAX} bytes`;
  return undefined;
}

/** Splits at commas, but not at those in braces: `*.{log,csv}` is one glob. */
export function splitList(text: string): string[] {
  return text.split(/,(?![^{]*\})/).map((part) => part.trim());
}

function parseTags(text: string): [string, string][] | string {
  const tags: [string, string][] = [];
  for (const pair of text.split(",").filter((part) => part.trim() !== "")) {
    const at = pair.indexOf("=");
    if (at < 1) return text;
    tags.push([pair.slice(0, at).trim(), pair.slice(at + 1).trim()]);
  }
  return tags;
}
