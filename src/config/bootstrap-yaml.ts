import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
import { type AgentError, configurationError, messageOf } from "../lib/errors.ts";
import { nearest } from "../lib/nearest.ts";

/** What the bootstrap file says. */
export interface BootstrapEntries {
  readonly values: Readonly<Record<string, unknown>>;
  /** The line in which each key stands, from 1. */
  readonly lines: ReadonlyMap<string, number>;
}

/**
 * Reads the text of the bootstrap file: keys and values, one a line, in YAML. Every value is text
 * or a list, as in a variable: a bare `30` must not become 30 of some unit, nor `007` a 7.
 * @throws AgentError (exit code 2) that names the file and the line
 */
export function parseBootstrap(
  text: string,
  file: string,
  knownKeys: readonly string[],
): BootstrapEntries {
  const counter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false,
    schema: "failsafe",
  });
  // A tag that is not known is only a warning to YAML; here it says that somebody expects more.
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = counter.linePos(problem.pos[0]);
    throw configurationError(
      `The bootstrap file ${file} is not valid YAML at line ${line}, column ${col}: ${problem.message.replace(/\.$/, "")}.`,
      "Mend that line; the file holds one `key: value` a line.",
    );
  }
  const { contents } = document;
  const isEmpty = contents === null || (isScalar(contents) && contents.value === "");
  if (isEmpty) return { values: {}, lines: new Map() };
  if (!isMap(contents)) throw noKeys(file);

  const lines = new Map<string, number>();
  for (const { key } of contents.items) {
    if (!isScalar(key) || typeof key.value !== "string") throw noKeys(file);
    const { line } = counter.linePos(key.range?.[0] ?? 0);
    if (!knownKeys.includes(key.value)) throw unknownKey(file, line, key.value, knownKeys);
    lines.set(key.value, line);
  }
  let values: Readonly<Record<string, unknown>>;
  try {
    values = document.toJS();
  } catch (error) {
    // Aliases of aliases: a small file could unfold to a huge one.
    throw configurationError(
      `The bootstrap file ${file} cannot be unfolded: ${messageOf(error)}.`,
      "Write each value out; the file needs no anchors.",
      error,
    );
  }
  for (const [key, value] of Object.entries(values)) {
    if (typeof value === "string" || Array.isArray(value)) continue;
    throw configurationError(
      `The bootstrap file ${file} is not usable: line ${lines.get(key)}: ${key} must be text or a list.`,
      "Write the value behind its key, or its items one a line, each after a hyphen.",
    );
  }
  return { values, lines };
}

function noKeys(file: string): AgentError {
  return configurationError(
    `The bootstrap file ${file} does not hold keys and values.`,
    "Write one `key: value` a line, at least `fleet: NAME`.",
  );
}

function unknownKey(
  file: string,
  line: number,
  key: string,
  knownKeys: readonly string[],
): AgentError {
  const meant = nearest(key, knownKeys);
  const question = meant === undefined ? "" : `Did you mean ${meant}? `;
  return configurationError(
    `The bootstrap file ${file} has an unknown key in line ${line}: ${key}.`,
    `${question}Known keys are ${knownKeys.join(", ")}.`,
  );
}
