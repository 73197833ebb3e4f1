import { isDeepStrictEqual } from "node:util";
import type { ArgumentFacts, CommandFacts, OptionFacts, Value } from "./command-tree.ts";
import { helpBlocks, sentence } from "./help-text.ts";
import { type Block, bold, italic, paragraph, subsection, synopsis, terms } from "./roff.ts";

/** The name that the command line begins with. */
export const PROGRAM = "s3-offload-agent";

/**
 * How a command is called, with everything it takes.
 * @param shared options that the page tells of elsewhere
 */
export function synopsisOf(command: CommandFacts, shared: readonly OptionFacts[] = []): string {
  const options = command.options
    .filter(({ long }) => long !== "--help" && !isAmong(shared, long))
    .map((option) => `[${optionText(option, "|")}]`);
  return synopsis(PROGRAM, [
    ...command.words.map((word) => bold(word)),
    ...options.map(unbroken),
    ...command.arguments.map(argumentText),
  ]);
}

/** What a command does, with all that it takes: a part of the section COMMANDS. */
export function commandSection(command: CommandFacts, shared: readonly OptionFacts[] = []): string {
  const args = command.arguments.map((one) => [argumentText(one), one.description] as const);
  const options = command.options.filter(({ long }) => long !== "--help" && !isAmong(shared, long));
  const blocks: Block[] = [
    paragraph(sentence(command.description)),
    ...(args.length === 0 ? [] : [rawTerms(args)]),
    ...(options.length === 0 ? [] : [optionTerms(options)]),
    ...helpBlocks(command.notes),
  ];
  return subsection(command.words.join(" "), ...blocks);
}

/** What options do. */
export function optionTerms(options: readonly OptionFacts[]): Block {
  return rawTerms(options.map((option) => [optionText(option, ", "), option.description]));
}

/** The options that all of some commands have, in the order of the first. */
export function sharedOptions(commands: readonly CommandFacts[]): readonly OptionFacts[] {
  const [first, ...others] = commands;
  return (first?.options ?? []).filter((option) =>
    others.every(({ options }) => options.some((one) => isDeepStrictEqual(one, option))),
  );
}

function isAmong(options: readonly OptionFacts[], name: string): boolean {
  return options.some(({ long }) => long === name);
}

function rawTerms(items: readonly (readonly [term: string, meaning: string])[]): Block {
  return terms(items.map(([term, meaning]) => [{ roff: term }, sentence(meaning)]));
}

function optionText({ short, long, value, isRepeatable }: OptionFacts, between: string): string {
  const names = [short, long].filter((name) => name !== undefined).map((name) => bold(name));
  const more = isRepeatable ? "\\~..." : "";
  return `${names.join(between)}${value === undefined ? "" : ` ${valueText(value)}${more}`}`;
}

function argumentText({ value, isRequired, isVariadic }: ArgumentFacts): string {
  const text = `${valueText(value)}${isVariadic ? "\\~..." : ""}`;
  return isRequired ? text : `[${text}]`;
}

/** Words to be typed as they are stand bold, what stands for something in italics. */
function valueText({ name, choices, takesFiles, takesDirectories }: Value): string {
  const isFixed = choices.length > 0 && !takesFiles && !takesDirectories && choices.length < 5;
  if (isFixed) return choices.map((choice) => bold(choice)).join("|");
  const words = name.split("|");
  return words.map((word) => (choices.includes(word) ? bold(word) : italic(word))).join("|");
}

/** An option and its value stay on one line. */
function unbroken(text: string): string {
  return text.replaceAll(" ", "\\~");
}
