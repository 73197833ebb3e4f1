/**
 * The few words of man(7) that our pages need, each as lines of roff that both groff and mandoc
 * take without a remark.
 *
 * Text is Markdown of the smallest kind: `code` is bold, and <name> in it a placeholder in italics.
 * Options are bold in any case. Example: "With `--config <file>` it reads another file."
 */

/** mandoc remarks on longer lines of input. */
const LINE_BYTES_MAX = 79;

/**
 * The head of a page. Lines are not stretched to both edges: long names would tear holes.
 * @param date the day on the page
 */
export function title(about: {
  readonly name: string;
  readonly section: number;
  readonly date: Date;
  readonly version: string;
}): string {
  const name = escaped(about.name.toUpperCase());
  const date = about.date.toISOString().slice(0, 10);
  const source = escaped(`s3-offload-agent ${about.version}`);
  return `.TH ${name} ${about.section} ${date} "${source}" "s3\\-offload\\-agent"\n.ad l\n`;
}

/** A section, or a part of one, of blocks that follow each other. */
export function section(heading: string, ...blocks: readonly Block[]): string {
  return `.SH ${heading.toUpperCase()}\n${blocksOf(blocks)}`;
}

export function subsection(heading: string, ...blocks: readonly Block[]): string {
  return `.SS ${formatted(heading)}\n${blocksOf(blocks)}`;
}

/** What a section consists of. */
export type Block =
  | { readonly kind: "paragraph"; readonly lines: string }
  | { readonly kind: "terms"; readonly lines: string }
  | { readonly kind: "example"; readonly lines: string };

export function paragraph(text: string): Block {
  return { kind: "paragraph", lines: filled(text) };
}

/**
 * What each term means, indented below it.
 * @param items a term is text, or what is roff already; a meaning is text, or blocks
 */
export function terms(
  items: readonly (readonly [
    term: string | { readonly roff: string },
    meaning: string | readonly Block[],
  ])[],
): Block {
  const lines = items.map(([term, meaning]) => {
    const body = typeof meaning === "string" ? filled(meaning) : indentedBlocks(meaning);
    const head = typeof term === "string" ? formatted(term) : term.roff;
    return `.TP\n${onOneLine(head)}\n${body}`;
  });
  return { kind: "terms", lines: lines.join("") };
}

/** Lines that stay as they are, to be typed or compared. */
export function example(text: string): Block {
  const lines = text.split("\n").map((line) => guarded(code(line)));
  return { kind: "example", lines: `.EX\n${lines.join("\n")}\n.EE\n` };
}

/** A call of a command: it hangs on its first word. @param parts already formatted, see below */
export function synopsis(name: string, parts: readonly string[]): string {
  const rest = parts.length === 0 ? "" : `${wrapped(parts)}\n`;
  return `.SY ${code(name)}\n${rest}.YS\n`;
}

function blocksOf(blocks: readonly Block[]): string {
  // Right below a heading a new paragraph is nothing to say twice.
  return blocks
    .map(({ kind, lines }, index) => {
      const opens = kind === "terms" || index === 0;
      const body = kind === "example" ? `.RS 4\n${lines}.RE\n` : lines;
      return opens ? body : `.PP\n${body}`;
    })
    .join("");
}

/** Blocks below a term keep its indentation. */
function indentedBlocks(blocks: readonly Block[]): string {
  return blocks
    .map(({ kind, lines }, index) => {
      if (kind === "terms") return `.RS\n${lines}.RE\n`;
      if (index === 0) return lines;
      return kind === "example" ? `.RS\n.PP\n.RS 4\n${lines}.RE\n.RE\n` : `.IP\n${lines}`;
    })
    .join("");
}

/** Text as a paragraph of short lines. */
function filled(text: string): string {
  return `${wrapped(formatted(text).split(/\s+/))}\n`;
}

function wrapped(words: readonly string[]): string {
  const lines: string[] = [];
  for (const word of words.map(unhyphenated)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= LINE_BYTES_MAX) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines.map(guarded).join("\n");
}

function onOneLine(text: string): string {
  return guarded(text.split(/\s+/).map(unhyphenated).join(" "));
}

/** Longer words leave a line too empty when they do not fit on it. */
const LONG = 40;

/** A word that is to be copied is broken nowhere, but behind a comma if it is long. */
function unhyphenated(word: string): string {
  if (!/\\[f(-]/.test(word)) return word;
  return `\\%${word.length > LONG ? word.replaceAll(",", ",\\:") : word}`;
}

/** A line that begins with a dot or an apostrophe would be a request to roff. */
function guarded(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

/** Code, placeholders, options, and names of our own: the help has these without any mark. */
const MARKED = /(`[^`]+`|<[\w-]+>|(?<![\w-])--[a-z][a-z-]*|[\w./]*s3-offload[\w./-]*[\w/])/;

/** Text with its `code`, <placeholders> and --options in roff. */
export function formatted(text: string): string {
  const parts = text.split(MARKED);
  return parts
    .map((part, index) => {
      if (part.startsWith("`")) return bold(part.slice(1, -1));
      return index % 2 === 1 ? bold(part) : escaped(part);
    })
    .join("");
}

/** Bold, but for <placeholders>, which are in italics and without their brackets. */
export function bold(text: string): string {
  const parts = text.split(/(<[\w-]+>)/).filter((part) => part !== "");
  return parts
    .map((part) => (/^<[\w-]+>$/.test(part) ? italic(part.slice(1, -1)) : `\\fB${code(part)}\\fR`))
    .join("");
}

export function italic(text: string): string {
  return `\\fI${code(text)}\\fR`;
}

/** Characters that roff would take for its own, or turn into typography: to be typed as they are. */
function code(text: string): string {
  return escaped(text)
    .replaceAll("-", "\\-")
    .replaceAll(/['`^~]/g, (sign) => PLAIN[sign] ?? sign);
}

const PLAIN: Readonly<Record<string, string>> = {
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

/** Prose: hyphens and apostrophes stay what they are. */
function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll('"', "\\(dq")
    .replaceAll(/[^\x20-\x7e\n]/gu, (sign) => {
      const hex = (sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
      return `\\[u${hex}]`;
    });
}
