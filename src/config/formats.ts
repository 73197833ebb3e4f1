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
import { hasUnseen, withUnseenEscaped } from "../lib/unseen.ts";
import { parseSchedule } from "../schedule/schedule.ts";
import { prefixProblem } from "../sweep/object-key.ts";
import { globsProblem, splitGlobs } from "./globs.ts";

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
    coerce: (value: unknown) =>
      typeof value === "string" ? readSize(value.replace(/\/s$/, ""), value) : value,
    validate: (value: unknown, schema: SchemaObj) =>
      assertSize(value, schema, `${BYTES_SYNTAX}, a second`),
  },
  // Bytes. 0 is none.
  size: {
    coerce: (value: unknown) => (typeof value === "string" ? readSize(value, value) : value),
    validate: (value: unknown, schema: SchemaObj) => assertSize(value, schema, BYTES_SYNTAX),
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
    coerce: (value: unknown) => (typeof value === "string" ? splitGlobs(value) : value),
    validate(value: unknown) {
      // `none` is an empty list, where the schema takes it.
      if (Array.isArray(value) && value.length === 0) return;
      assertTexts(value);
      const problem = globsProblem(value as string[]);
      if (problem !== undefined) throw new Error(problem);
    },
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
    validate: assertTags,
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
      if (value.length > SCHEDULE_CHARACTERS_MAX) {
        throw new Error(`must be at most ${SCHEDULE_CHARACTERS_MAX} characters`);
      }
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

for (const [name, format] of Object.entries(formats)) {
  convict.addFormat({
    ...format,
    name,
    validate(value, schema) {
      try {
        format.validate?.(value, schema);
      } catch (error) {
        // A reason may repeat the value, and each line of convict's message is one setting's.
        throw new Error(withUnseenEscaped(messageOf(error)));
      }
    },
  });
}

export { convict };

/** `0B` might mean no limit, or that nothing may be: there is `none`, which arrives as an empty text. */
function readSize(text: string, written: string): number | string {
  return text === "" ? 0 : parseBytes(text) || written;
}

function assertSize(value: unknown, schema: SchemaObj, syntax: string): void {
  if (value === 0) return;
  if (typeof value !== "number") throw new Error(`must be none or ${syntax}`);
  assertRange(value, schema, formatBytes);
}

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

/** Far more than a cron of every second minute takes. */
const SCHEDULE_CHARACTERS_MAX = 256;

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
const TAGS_MAX = 10;
const TAG_NAME_CHARACTERS_MAX = 128;
const TAG_VALUE_CHARACTERS_MAX = 256;
const TAG_CHARACTERS = /^[\p{L}\p{N}\p{Zs}+\-=._:/@]*$/u;

function assertTags(value: unknown): void {
  if (!Array.isArray(value)) throw new Error("must be NAME=VALUE pairs separated by commas");
  const tags = value as [string, string][];
  const names = tags.map(([name]) => name);
  if (tags.length > TAGS_MAX) throw new Error(`must be at most ${TAGS_MAX} tags`);
  if (new Set(names).size < names.length) throw new Error("names a tag twice");
  if (names.some((name) => /^aws:/i.test(name))) throw new Error("tags of aws: are AWS's own");
  for (const [name, text] of tags) {
    if (!TAG_CHARACTERS.test(name + text)) {
      throw new Error("must be of letters, digits, spaces and + - = . _ : / @");
    }
    if ([...name].length > TAG_NAME_CHARACTERS_MAX) {
      throw new Error(`a tag's name must be at most ${TAG_NAME_CHARACTERS_MAX} characters`);
    }
    if ([...text].length > TAG_VALUE_CHARACTERS_MAX) {
      throw new Error(`a tag's value must be at most ${TAG_VALUE_CHARACTERS_MAX} characters`);
    }
  }
}

/** Linux takes paths of up to 4,095 bytes (limits.h, PATH_MAX). */
const PATH_BYTES_MAX = 4_095;

function directoryProblem(path: string): string | undefined {
  if (path.trim() === "" || /^none$/i.test(path)) return "must be a path";
  if (path !== path.trim()) return "must not begin or end with a space or a line end";
  if (hasUnseen(path)) return "must not contain control characters, nor any that are not seen";
  if (/["'\\]/.test(path)) return "must be the path itself, without quotes or backslashes";
  if (/^[a-z0-9+.-]+:/i.test(path)) return "must be a path of this host, not a URL or a drive's";
  if (path.startsWith("~")) return "must be the path itself: ~ stands for nothing here";
  if (/[${}]/.test(path)) return "must be the path itself: there are no variables in it";
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) return `must be at most ${PATH_BYTES_MAX} bytes`;
  return undefined;
}

/** Pairs only: an empty one is a slip, and so may be what stood there. */
function parseTags(text: string): [string, string][] | string {
  const tags: [string, string][] = [];
  for (const pair of text.split(",")) {
    const at = pair.indexOf("=");
    const name = pair.slice(0, at).trim();
    if (at < 1 || name === "") return text;
    tags.push([name, pair.slice(at + 1).trim()]);
  }
  return tags;
}
