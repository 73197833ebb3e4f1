import { NAME_PATTERN } from "../../host/names.ts";
import { configurationError } from "../../lib/errors.ts";

/** A host that should be there. */
export interface ExpectedHost {
  readonly host: string;
  /** When it was made, in wall-clock milliseconds; undefined: nobody says. */
  readonly since?: number;
}

/**
 * Reads a list of host ids: one a line, with empty lines and comments from `#` on; or JSON, an
 * array of ids or of objects with `host`, as `fleet hosts --json` writes them.
 * @param name of the file, for messages
 * @throws AgentError (exit code 2) that names the line or the element
 */
export function parseExpectedHosts(text: string, name: string): readonly ExpectedHost[] {
  const entries = /^\s*[[{]/.test(text) ? entriesOfJson(text, name) : entriesOfLines(text);
  const hosts = new Set<string>();
  for (const { entry, where } of entries) {
    if (typeof entry !== "string" || !NAME_PATTERN.test(entry)) {
      throw configurationError(
        `The list of expected hosts ${name} has no host id in ${where}: ${JSON.stringify(entry)}.`,
        "Write one host id a line, or a JSON array of ids.",
      );
    }
    hosts.add(entry);
  }
  return [...hosts].map((host) => ({ host }));
}

interface ListEntry {
  readonly entry: unknown;
  readonly where: string;
}

function entriesOfLines(text: string): ListEntry[] {
  return text
    .split("\n")
    .map((line, index) => ({
      entry: line.replace(/#.*/, "").trim(),
      where: `line ${index + 1}`,
    }))
    .filter(({ entry }) => entry !== "");
}

function entriesOfJson(text: string, name: string): ListEntry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw configurationError(
      `The list of expected hosts ${name} begins as JSON but is none: ${(error as Error).message}.`,
      "Write one host id a line, or a JSON array of ids.",
    );
  }
  const list = isObject(value) && Array.isArray(value["hosts"]) ? value["hosts"] : value;
  const elements: readonly unknown[] = Array.isArray(list) ? list : [list];
  return elements.map((element, index) => ({
    entry: isObject(element) ? element["host"] : element,
    where: `element ${index + 1}`,
  }));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
