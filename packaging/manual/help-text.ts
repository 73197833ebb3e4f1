import { type Block, example, paragraph, terms } from "./roff.ts";

/** A term, two or more spaces, what it means. */
const TERM = /^ {2}(\S+(?: \S+)*) {2,}(\S.*)$/;
/** A line that goes on with the meaning above it. */
const MORE = /^ {6,}(\S.*)$/;

/**
 * The text below a command's options as blocks of a page. There, an empty line parts paragraphs,
 * an indented line is an example, and an indented column of words with another beside it says what
 * the words mean.
 */
export function helpBlocks(text: string): Block[] {
  return text
    .split(/\n\n+/)
    .flatMap((part) => runsOf(part.split("\n")).flatMap(blockOf))
    .filter((block) => block !== undefined);
}

/** Lines that belong together: indented ones, and those that are not. */
function runsOf(lines: readonly string[]): string[][] {
  const runs: string[][] = [];
  for (const line of lines) {
    const last = runs.at(-1);
    if (last !== undefined && isIndented(last[0] ?? "") === isIndented(line)) last.push(line);
    else runs.push([line]);
  }
  return runs;
}

function blockOf(lines: readonly string[]): Block[] {
  if (!isIndented(lines[0] ?? ""))
    return lines.join("").trim() === "" ? [] : [paragraph(lines.join(" "))];
  const items = termsOf(lines);
  return [items === undefined ? example(dedented(lines)) : terms(items)];
}

/** The terms with their meanings; undefined if any line is neither. */
function termsOf(lines: readonly string[]): [string, string][] | undefined {
  const items: [string, string][] = [];
  for (const line of lines) {
    const term = TERM.exec(line);
    const more = MORE.exec(line);
    const last = items.at(-1);
    if (term !== null) items.push([`\`${term[1]}\``, term[2] ?? ""]);
    else if (more !== null && last !== undefined) last[1] += ` ${more[1]}`;
    else return undefined;
  }
  return items.map(([term, meaning]) => [term, sentence(meaning)]);
}

/** A phrase of the help as a sentence: a capital in front and a full stop behind. */
export function sentence(text: string): string {
  const capital = text.slice(0, 1).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

function dedented(lines: readonly string[]): string {
  return lines.map((line) => line.slice(2)).join("\n");
}

function isIndented(line: string): boolean {
  return line.startsWith("  ");
}
