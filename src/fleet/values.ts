import { splitGlobs } from "../config/globs.ts";
import { placeOf } from "../config/merge.ts";
import { type SettingName, settingsSchema } from "../config/schema.ts";
import { readKey } from "./keys.ts";

const LIST_FORMATS: ReadonlySet<unknown> = new Set(["globs", "tags"]);

/** Whether a setting's value is a list. */
export function isListSetting(setting: SettingName): boolean {
  return LIST_FORMATS.has(settingsSchema[setting].format);
}

/** The setting that a key sets; undefined: it sets none on a host by itself, or is not known. */
export function settingOf(key: string): SettingName | undefined {
  const { host, leaf } = readKey(key);
  const place = placeOf(leaf, host === undefined ? "fleet" : "host");
  return place.kind === "setting" ? place.setting : undefined;
}

/** The list that a text is, or undefined if it is to be written as it is. */
export function listOf(key: string, text: string): readonly string[] | undefined {
  const setting = settingOf(key);
  if (setting === undefined || !isListSetting(setting) || text.trim() === "none") return undefined;
  const list = splitValue(setting, text);
  return list.every((part) => part !== "") ? list : undefined;
}

/**
 * The text that the Parameter Store holds for a list.
 * @returns undefined if a part of it would be read as several
 */
export function textOfList(setting: SettingName, list: readonly string[]): string | undefined {
  if (list.length === 0) return "none";
  const text = list.join(",");
  const read = splitValue(setting, text);
  return read.length === list.length && read.every((part, index) => part === list[index])
    ? text
    : undefined;
}

/** Whether two texts say the same: in lists, spaces beside commas mean nothing. */
export function isSameValue(key: string, one: string, other: string): boolean {
  if (one === other) return true;
  const [a, b] = [listOf(key, one), listOf(key, other)];
  return a !== undefined && b !== undefined && a.join(",") === b.join(",");
}

/** Whether SSM's own StringList, which knows no braces, has the same parts as the setting. */
export function fitsStringList(setting: SettingName, text: string): boolean {
  return splitValue(setting, text).length === text.split(",").length;
}

function splitValue(setting: SettingName, text: string): readonly string[] {
  if (settingsSchema[setting].format === "globs") return splitGlobs(text);
  return text.split(",").map((part) => part.trim());
}
