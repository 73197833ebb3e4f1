import type { Schema } from "convict";
import { withUnseenEscaped } from "../lib/unseen.ts";
import { convict } from "./formats.ts";
import { SETTING_NAMES, type SettingName, type Settings, settingsSchema } from "./schema.ts";

/** What a parameter says, before it is read: a text, or a list from a StringList. */
export type RawValue = string | readonly string[];

/** What all layers together say, setting by setting. */
export type RawValues = Readonly<Partial<Record<SettingName, RawValue>>>;

/** One thing that is wrong with a setting. */
export interface SettingProblem {
  readonly setting: string;
  readonly reason: string;
}

/** A message repeats no more of a value: the largest that SSM takes has 8 KiB. */
const SHOWN_CHARACTERS_MAX = 120;

/**
 * Validates raw values as a whole and makes the typed settings of them; what is not given has its
 * default.
 * @returns the settings, or everything that is wrong with them, and those that are right
 */
export function validateSettings(
  values: RawValues,
):
  | { readonly settings: Settings }
  | { readonly problems: readonly SettingProblem[]; readonly good: Partial<Settings> } {
  // convict would read this process's own arguments and environment if not told otherwise.
  const config = convict<Settings>(CONVICT_SCHEMA, { args: [], env: {} });
  config.load(
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        emptyIfNone(name as SettingName, structuredClone(value)),
      ]),
    ),
  );
  try {
    config.validate({ allowed: "strict" });
  } catch (error) {
    // convict shows the value that it made of the text; its writer knows the text.
    const problems = linesOf(error).map(({ setting, reason }) => {
      return { setting, reason: withValue(reason, values[setting as SettingName]) };
    });
    const wrong = problems.map(({ setting }) => setting);
    const all = Object.entries(config.getProperties());
    return { problems, good: Object.fromEntries(all.filter(([name]) => !wrong.includes(name))) };
  }
  return { settings: config.getProperties() };
}

/** Where `none` is a word for it, what convict gets is empty. */
const CONVICT_SCHEMA = Object.fromEntries(
  SETTING_NAMES.map((name) => [
    name,
    { ...settingsSchema[name], default: emptyIfNone(name, settingsSchema[name].default) },
  ]),
) as unknown as Schema<Settings>;

function emptyIfNone<T>(name: SettingName, value: T): T | string | readonly string[] {
  const takesNone = "takesNone" in settingsSchema[name];
  if (!takesNone || typeof value !== "string" || value.trim() !== "none") return value;
  const { format } = settingsSchema[name];
  return format === "globs" || format === "tags" ? [] : "";
}

/** Everything that convict says is wrong, as a message can hold it. */
export function problemsOf(error: unknown): SettingProblem[] {
  return linesOf(error).map(({ setting, reason }) => {
    return { setting, reason: shortened(withUnseenEscaped(reason)) };
  });
}

/**
 * convict reports all problems as the lines of one message, each `name: reason`. The formats see to
 * it that a reason has no lines of its own.
 */
function linesOf(error: unknown): SettingProblem[] {
  if (!(error instanceof Error)) throw error;
  return error.message.split("\n").map((line) => {
    const [, setting = "", reason = line] = /^([\w-]+): (.*)$/s.exec(line) ?? [];
    return { setting, reason };
  });
}

/** A value as a message shows it. */
export function shown(value: unknown): string {
  return shortened(withUnseenEscaped(JSON.stringify(value) ?? String(value)));
}

const VALUE_WAS = ": value was ";

function withValue(reason: string, value: RawValue | undefined): string {
  const [says = reason] = reason.split(VALUE_WAS, 1);
  return shortened(says) + (value === undefined ? "" : VALUE_WAS + shown(value));
}

function shortened(text: string): string {
  if (text.length <= 2 * SHOWN_CHARACTERS_MAX) return text;
  const left = text.length - 2 * SHOWN_CHARACTERS_MAX;
  // A cut may go through a pair of surrogates.
  const [head, tail] = [text.slice(0, SHOWN_CHARACTERS_MAX), text.slice(-SHOWN_CHARACTERS_MAX)].map(
    (part) => part.toWellFormed(),
  );
  return `${head}... (${left} characters left out) ...${tail}`;
}
