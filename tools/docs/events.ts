import { EVENT_NAMES, type EventName, eventRule, type MetricSet } from "../../src/logs/events.ts";
import { COMMON_FIELDS, fieldRule } from "../../src/logs/fields.ts";
import { METRICS } from "../../src/logs/metrics.ts";
import { table } from "./table.ts";

const FILES = EVENT_NAMES.filter((name) => name.startsWith("file."));
const STATE = EVENT_NAMES.filter((name) => !name.startsWith("file."));

/** The table of contents: each event with its level, by group. */
export function eventContents(): string {
  const listOf = (names: readonly EventName[]) =>
    table([
      ["event", "level", "meaning"],
      ...names.map((name) => {
        const { level = "", doc = "" } = eventRule(name) ?? {};
        return [`[\`${name}\`](#${name.replaceAll(".", "")})`, level, doc];
      }),
    ]);
  return [
    "Group `/s3-offload-agent/<fleet>`, the state:",
    listOf(STATE),
    "Group `/s3-offload-agent/<fleet>/files`, single files:",
    listOf(FILES),
  ].join("\n\n");
}

/** The fields that every record has. */
export function commonFields(): string {
  return fieldTable(COMMON_FIELDS.map((name) => [name, "always"]));
}

/** A section for each event. */
export function eventSections(): string {
  return [...STATE, ...FILES].map(sectionOf).join("\n");
}

function sectionOf(name: EventName): string {
  const {
    level,
    doc,
    required,
    optional,
    metrics = [],
  } = eventRule(name) ?? {
    level: "",
    doc: "",
    required: [],
    optional: [],
  };
  const fields = [
    ...required.map((field) => [field, "always"] as const),
    ...optional.map((field) => [field, "sometimes"] as const),
  ];
  const group = name.startsWith("file.") ? "files" : "state";
  return [
    `### ${name}\n`,
    `Level \`${level}\`, group ${group}. ${doc}\n`,
    fields.length === 0 ? "It has no fields of its own.\n" : fieldTable(fields),
    ...metrics.map(metricTable),
  ].join("\n");
}

function fieldTable(fields: readonly (readonly [name: string, presence: string])[]): string {
  return table([
    ["field", "type", "there", "meaning"],
    ...fields.map(([name, presence]) => {
      const { type, unit, values, members, doc } = fieldRule(name) ?? { type: "text", doc: "" };
      const words = type === "objects" ? "list of objects" : type;
      const detail = [
        ...(values === undefined ? [] : [`One of ${values.map(code).join(", ")}.`]),
        ...(members === undefined ? [] : [`Each has ${members.map(code).join(", ")}.`]),
      ];
      const typed = unit === undefined ? words : `${words}, ${unit}`;
      return [code(name), typed, presence, [doc, ...detail].join(" ")];
    }),
  ]);
}

function metricTable({ dimensions, names }: MetricSet): string {
  const sets = dimensions.map((set) => code(`[${set.join(", ")}]`)).join(" and ");
  const rows = names.map((name) => [code(name), METRICS[name].unit, METRICS[name].doc]);
  return `Metrics by ${sets}:\n\n${table([["metric", "unit", "meaning"], ...rows])}`;
}

function code(text: string): string {
  return `\`${text}\``;
}
