import { type Document, isMap, isNode, isScalar, isSeq, parseDocument, stringify } from "yaml";
import { configurationError } from "../lib/errors.ts";

const KEY = "allowedRoots";

/** What becomes of the list of allowed roots. */
export interface RootsChange {
  /** The whole list, as it is to be. */
  readonly roots: readonly string[];
  readonly add: readonly string[];
  /** Items as they stand in the file. */
  readonly remove: readonly string[];
}

/**
 * Puts another list of allowed roots into the text of a bootstrap file, and leaves every other byte
 * as it is. A list in an unusual spelling is written anew. Pure.
 * @param text that parseBootstrap takes
 * @throws AgentError (exit code 2) if it cannot be done without changing anything else
 */
export function withAllowedRoots(text: string, file: string, change: RootsChange): string {
  const document = parse(text);
  const before = valuesOf(document);
  const expected = JSON.stringify(entriesBeside(before, change.roots));
  for (const attempt of [editLines, writeAnew]) {
    const edited = attempt(text, document, change);
    if (edited === undefined) continue;
    const read = parse(edited);
    if (read.errors.length > 0) continue;
    const after = valuesOf(read);
    const roots = Array.isArray(after[KEY]) ? after[KEY] : [];
    if (JSON.stringify(entriesBeside(after, roots)) === expected) return edited;
  }
  throw configurationError(
    `The list of allowed roots cannot be changed in ${file} without changing anything else.`,
    `Write it by hand, one root a line behind a hyphen: ${change.roots.join(", ")}; then s3-offload-agent allow --sync.`,
  );
}

function parse(text: string): Document {
  return parseDocument(text, { schema: "failsafe" });
}

function valuesOf(document: Document): Readonly<Record<string, unknown>> {
  return isMap(document.contents) ? document.toJS() : {};
}

/** In the order of the file, but the list, which may have got there just now. */
function entriesBeside(values: Readonly<Record<string, unknown>>, roots: readonly unknown[]) {
  return [...Object.entries(values).filter(([key]) => key !== KEY), [KEY, roots]];
}

/** Inserts and takes out whole lines; undefined: the list is not one of whole lines. */
function editLines(text: string, document: Document, change: RootsChange): string | undefined {
  const { contents } = document;
  const node = isMap(contents) ? contents.get(KEY, true) : undefined;
  if (node === undefined) return insertList(text, contents, change.roots);
  if (!isSeq(node) || node.flow === true) return undefined;
  const lines = text.split("\n");
  const lineOf = (offset: number) => text.slice(0, offset).split("\n").length - 1;
  const removed = new Set<number>();
  let last = -1;
  let indent = "";
  for (const item of node.items) {
    if (!isScalar(item) || !item.range) return undefined;
    const [from, to] = [lineOf(item.range[0]), lineOf(item.range[1])];
    const start = /^(\s*)-\s/.exec(lines[from] ?? "");
    if (start === null || to !== from) return undefined;
    indent = start[1] ?? "";
    last = from;
    if (change.remove.includes(String(item.value))) removed.add(from);
  }
  const added = change.add.map((root) => `${indent}- ${wordOf(root)}`);
  return lines
    .flatMap((line, index) => [
      ...(removed.has(index) ? [] : [line]),
      ...(index === last ? added : []),
    ])
    .join("\n");
}

/** The list where the sample has it behind a `#`, else at the end. */
function insertList(text: string, contents: unknown, roots: readonly string[]): string | undefined {
  if (isMap(contents) && contents.flow === true) return undefined;
  const list = [`${KEY}:`, ...roots.map((root) => `  - ${wordOf(root)}`)];
  const lines = text.split("\n");
  const sample = lines.findIndex((line) => /^#\s?allowedRoots:/.test(line));
  if (sample >= 0) {
    const rest = lines.slice(sample + 1).findIndex((line) => !/^#\s*-\s/.test(line));
    const at = rest < 0 ? lines.length : sample + 1 + rest;
    return [...lines.slice(0, at), ...list, ...lines.slice(at)].join("\n");
  }
  const isEnded = text === "" || text.endsWith("\n");
  return `${text}${isEnded ? "" : "\n"}${list.join("\n")}\n`;
}

/** As the library writes it; it may change indents and blank lines, and keeps every comment. */
function writeAnew(text: string, _document: Document, { roots }: RootsChange): string {
  const document = parse(text);
  const { contents } = document;
  const list = document.createNode([...roots]);
  if (isMap(contents)) {
    const before = contents.get(KEY, true);
    // Behind a flow list or a text stands a comment of the whole list.
    if (isNode(before)) list.comment = before.comment ?? null;
    contents.set(KEY, list);
  } else {
    document.contents = document.createNode({ [KEY]: list });
  }
  return document.toString({ lineWidth: 0 });
}

/** A path as it stands behind a hyphen. */
function wordOf(path: string): string {
  return stringify(path, { schema: "failsafe", lineWidth: 0 }).trimEnd();
}
