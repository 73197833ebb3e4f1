import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { placeOf } from "../config/merge.ts";
import { isSettingName, SETTING_NAMES, type SettingName } from "../config/schema.ts";
import { NAME_EXPECTS, NAME_PATTERN } from "../host/names.ts";
import { configurationError } from "../lib/errors.ts";
import { nearest } from "../lib/nearest.ts";
import { CANARY, hostKey } from "./keys.ts";
import { isListSetting, textOfList } from "./values.ts";

/** What a fleet file says. */
export interface FleetFile {
  readonly fleet: string;
  /** Every value by its key, as text. */
  readonly values: ReadonlyMap<string, string>;
  /** The line of each key, from 1. */
  readonly lines: ReadonlyMap<string, number>;
  /** Hosts with parameters of their own; those without any values as well. */
  readonly hosts: readonly string[];
}

const TOP_KEYS = ["fleet", "settings", "routes", "canary", "expected-hosts", "hosts"] as const;
const LAYER_KEYS = ["settings", "routes"] as const;

/** As many problems as a person mends at once. */
const TOLD_MAX = 20;

/**
 * Reads a fleet file. Its shape:
 *
 *     fleet: web
 *     settings: {bucket: my-bucket, include: [...]}
 *     routes: {raw: {directory: /var/spool/raw}}
 *     canary: {percent: 1, settings: {...}, routes: {...}}
 *     expected-hosts: 1000
 *     hosts: {i-0abc: {settings: {...}, routes: {...}}}
 *
 * @param file its name, for messages
 * @throws AgentError (exit code 2) with everything that is wrong, each with its line
 */
export function parseFleetFile(text: string, file: string): FleetFile {
  const lineCounter = new LineCounter();
  // Every value is text, as in the Parameter Store: 007 is no 7, and `on` no truth.
  const document = parseDocument(text, { lineCounter, prettyErrors: false, schema: "failsafe" });
  const reader = new Reader(document, lineCounter);
  for (const { pos, message } of document.errors) reader.refuse(pos[0], message);
  const read = document.errors.length > 0 ? undefined : readTop(reader, document.contents);
  const { problems } = reader;
  if (problems.length === 0 && read !== undefined) return read;
  const told = problems.slice(0, TOLD_MAX).map(({ line, reason }) => `${file}:${line}: ${reason}`);
  if (problems.length > TOLD_MAX) told.push(`and ${problems.length - TOLD_MAX} more`);
  throw configurationError(
    `The fleet file is not usable:\n  ${told.join("\n  ")}`,
    `Mend ${problems.length === 1 ? "that line" : "those lines"}; \`fleet pull\` writes a right file, and the README lists every setting.`,
  );
}

type Entry = {
  readonly name: string;
  readonly at: number;
  readonly value: Node | undefined;
};

/** The document with all that is wrong with it. */
class Reader {
  readonly problems: { readonly line: number; readonly reason: string }[] = [];
  readonly values = new Map<string, string>();
  readonly lines = new Map<string, number>();
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;

  constructor(document: Document.Parsed, lines: LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  refuse(at: number, reason: string): void {
    this.problems.push({ line: Math.max(1, this.#lines.linePos(at).line), reason });
  }

  /** The entries of a map; nothing at all is an empty one. */
  entries(node: Node | undefined, at: number, what: string): readonly Entry[] {
    const found = this.#resolve(node);
    if (isMap(found)) return this.#entriesOf(found, at);
    if (!isNothing(found)) this.refuse(at, `${what} must hold \`name: value\` lines`);
    return [];
  }

  #entriesOf(map: YAMLMap<unknown, unknown>, at: number): readonly Entry[] {
    return map.items.map(({ key, value }) => {
      const isName = isScalar(key) && typeof key.value === "string";
      const keyAt = isScalar(key) ? (key.range?.[0] ?? at) : at;
      if (!isName) this.refuse(keyAt, "a name must be plain text");
      return {
        name: isName ? String(key.value) : "",
        at: keyAt,
        value: (value ?? undefined) as Node | undefined,
      };
    });
  }

  /** One text; undefined: it is none, which has been told. */
  text({ name, at, value }: Entry): string | undefined {
    const found = this.#resolve(value);
    if (isNothing(found)) {
      this.refuse(at, `${name} is empty: take the line away, or write a value`);
      return undefined;
    }
    if (isScalar(found) && typeof found.value === "string") return found.value;
    this.refuse(at, `${name} must be one text`);
    return undefined;
  }

  /** The text of a list; undefined: it is none, which has been told. */
  list(setting: SettingName, entry: Entry): string | undefined {
    const found = this.#resolve(entry.value);
    if (!isSeq(found)) return this.text(entry);
    const parts = found.items.map((item) => {
      const part = this.#resolve(item as Node);
      return isScalar(part) && typeof part.value === "string" ? part.value : "";
    });
    const isWhole = parts.every((part) => part !== "" && part !== "none");
    const text = isWhole ? textOfList(setting, parts) : undefined;
    if (text === undefined) {
      this.refuse(
        entry.at,
        `${entry.name} must be a list of texts without commas or spaces around them, none of them empty`,
      );
    }
    return text;
  }

  set(key: string, at: number, text: string | undefined): void {
    if (text === undefined) return;
    this.values.set(key, text);
    this.lines.set(key, this.#lines.linePos(at).line);
  }

  #resolve(node: Node | undefined): Node | undefined {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }
}

function isNothing(node: Node | undefined): boolean {
  return node === undefined || (isScalar(node) && (node.value === "" || node.value === null));
}

function readTop(reader: Reader, contents: ParsedNode | null): FleetFile | undefined {
  let fleet: string | undefined;
  const hosts: string[] = [];
  for (const entry of reader.entries(contents ?? undefined, 0, "the file")) {
    const { name, at, value } = entry;
    if (name === "fleet") fleet = readName(reader, at, reader.text(entry), "fleet");
    else if (name === "expected-hosts") reader.set(name, at, reader.text(entry));
    else if (name === "settings" || name === "routes") readLayer(reader, entry, "", "fleet");
    else if (name === "canary") readCanary(reader, entry);
    else if (name === "hosts") {
      for (const host of reader.entries(value, at, "hosts")) {
        if (readName(reader, host.at, host.name, "a host") === undefined) continue;
        hosts.push(host.name);
        const below = reader.entries(host.value, host.at, `host ${host.name}`);
        for (const part of below) readLayer(reader, part, hostKey(host.name, ""), "host");
      }
    } else refuseKey(reader, entry, TOP_KEYS);
  }
  if (fleet === undefined && reader.problems.length === 0) {
    reader.refuse(0, "fleet is missing: write `fleet: NAME`");
  }
  if (fleet === undefined) return undefined;
  return { fleet, values: reader.values, lines: reader.lines, hosts };
}

function readName(
  reader: Reader,
  at: number,
  text: string | undefined,
  what: string,
): string | undefined {
  if (text === undefined || NAME_PATTERN.test(text)) return text;
  reader.refuse(at, `${what}'s name ${NAME_EXPECTS}`);
  return undefined;
}

function readCanary(reader: Reader, canary: Entry): void {
  for (const entry of reader.entries(canary.value, canary.at, "canary")) {
    if (entry.name === "percent") reader.set(`${CANARY}percent`, entry.at, reader.text(entry));
    else readLayer(reader, entry, CANARY, "fleet", ["percent", ...LAYER_KEYS]);
  }
}

/** @param prefix of the keys: empty, `canary/` or `hosts/<id>/` */
function readLayer(
  reader: Reader,
  entry: Entry,
  prefix: string,
  path: "fleet" | "host",
  keys: readonly string[] = LAYER_KEYS,
): void {
  const { name, at, value } = entry;
  if (name === "settings") {
    for (const one of reader.entries(value, at, name)) readSetting(reader, one, prefix, "", path);
  } else if (name === "routes") {
    for (const route of reader.entries(value, at, name)) {
      const below = reader.entries(route.value, route.at, `route ${route.name}`);
      if (below.length === 0) {
        reader.refuse(route.at, `route ${route.name} is empty: give it a directory`);
      }
      for (const one of below) readSetting(reader, one, prefix, `routes/${route.name}/`, path);
    }
  } else refuseKey(reader, entry, keys);
}

function readSetting(
  reader: Reader,
  entry: Entry,
  prefix: string,
  route: string,
  path: "fleet" | "host",
): void {
  const { name, at } = entry;
  if (!isSettingName(name)) {
    refuseKey(reader, entry, SETTING_NAMES);
    return;
  }
  const place = placeOf(`${route}${name}`, path);
  if (place.kind !== "setting") {
    reader.refuse(at, `${name}: ${"reason" in place ? place.reason : "is of the fleet"}`);
    return;
  }
  const text = isListSetting(name) ? reader.list(name, entry) : reader.text(entry);
  reader.set(`${prefix}${route}${name}`, at, text);
}

function refuseKey(reader: Reader, { name, at }: Entry, known: readonly string[]): void {
  const elsewhere = whereOf(name);
  const near = nearest(name, known) ?? nearest(name, [...TOP_KEYS, ...SETTING_NAMES]);
  if (elsewhere !== undefined) reader.refuse(at, `${name} does not belong here: ${elsewhere}`);
  else if (near !== undefined)
    reader.refuse(at, `${name} is not known: did you mean ${near}?${placeHint(near, known)}`);
  else reader.refuse(at, `${name} is not known: here are ${known.join(", ")}`);
}

function placeHint(near: string, known: readonly string[]): string {
  return known.includes(near) ? "" : ` It has another place: ${whereOf(near)}`;
}

/** Where a known name belongs; undefined: it is not known at all. */
function whereOf(name: string): string | undefined {
  if (isSettingName(name)) return "write it below `settings:`, or below a route of `routes:`";
  if (name === "canary/percent") return "write `percent` below `canary:`";
  if (name === "revision") return "it is written by `fleet apply`";
  if ((TOP_KEYS as readonly string[]).includes(name)) return "write it at the top level";
  return undefined;
}
