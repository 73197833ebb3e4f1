import { PassThrough, Readable } from "node:stream";
import type { Argument, Command, Option } from "commander";
import type { CommandContext } from "../../src/cli/context.ts";
import { createProgram } from "../../src/cli/program.ts";

/** What an option or argument takes, as far as a shell can complete it. */
export interface Value {
  /** As the help names it: `file`, `ec2|ssm|file`. */
  readonly name: string;
  /** Words that may be given. */
  readonly choices: readonly string[];
  readonly takesFiles: boolean;
  readonly takesDirectories: boolean;
}

export interface OptionFacts {
  /** Such as `-o`. */
  readonly short: string | undefined;
  /** Such as `--output`. */
  readonly long: string;
  /** Undefined: it takes none. */
  readonly value: Value | undefined;
  readonly isRepeatable: boolean;
  readonly description: string;
}

export interface ArgumentFacts {
  readonly value: Value;
  readonly isRequired: boolean;
  /** Takes all that follow, too. */
  readonly isVariadic: boolean;
  readonly description: string;
}

/** A command, as the program's own help knows it. */
export interface CommandFacts {
  readonly name: string;
  /** The words behind the program's name that call it; of the program itself: none. */
  readonly words: readonly string[];
  readonly description: string;
  readonly arguments: readonly ArgumentFacts[];
  readonly options: readonly OptionFacts[];
  /** The text of its help below the options. */
  readonly notes: string;
  readonly commands: readonly CommandFacts[];
}

const FILE = /^files?$/;
const DIRECTORY = /^(dirs?|director(y|ies)|roots?)$/i;

/**
 * The program with everything below it, in the order of its help.
 * @param program another one, for tests; its help cannot be printed after this
 */
export function readCommandTree(program: Command = agentProgram()): CommandFacts {
  return factsOf(program, []);
}

/** The agent's own commands. None of them is ever called, so they need nothing of a process. */
export function agentProgram(): Command {
  const context: CommandContext = {
    env: {},
    workingDirectory: "/",
    stdin: Readable.from([]),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    isTerminal: false,
    stop: new AbortController().signal,
    onReload: () => undefined,
  };
  return createProgram(context, () => undefined);
}

/** Every command below one, itself first. */
export function allCommands(command: CommandFacts): CommandFacts[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function factsOf(command: Command, words: readonly string[]): CommandFacts {
  const help = command.createHelp();
  const below = help.visibleCommands(command);
  // The command `help` is no command of its own before it is called: commander makes it up.
  const isHelp = (one: Command) => !command.commands.includes(one);
  return {
    name: command.name(),
    words,
    description: command.description(),
    arguments: command.registeredArguments.map(argumentFacts),
    options: help.visibleOptions(command).map(optionFacts),
    notes: notesOf(command),
    commands: below.map((one) => {
      const facts = factsOf(one, [...words, one.name()]);
      return isHelp(one) ? helpFacts(facts, command) : facts;
    }),
  };
}

/** What `help` takes are the commands beside it. Its own options do nothing. */
function helpFacts(facts: CommandFacts, parent: Command): CommandFacts {
  const choices = parent.commands.map((command) => command.name());
  return {
    ...facts,
    options: [],
    arguments: facts.arguments.map((one) => ({
      ...one,
      value: { ...one.value, choices },
      description: "the command (default: a list of all)",
    })),
  };
}

function optionFacts(option: Option): OptionFacts {
  const placeholder = /[<[](.+?)(?:\.\.\.)?[>\]]/.exec(option.flags)?.[1];
  const takesValue = option.required || option.optional;
  return {
    short: option.short,
    long: option.long ?? option.flags,
    value: takesValue ? readValue(placeholder ?? "value", option.argChoices) : undefined,
    isRepeatable: option.variadic || /may be repeated/.test(option.description),
    description: withDefault(option.description, option.defaultValue),
  };
}

function argumentFacts(argument: Argument): ArgumentFacts {
  return {
    value: readValue(argument.name(), argument.argChoices),
    isRequired: argument.required,
    isVariadic: argument.variadic,
    description: withDefault(argument.description, argument.defaultValue),
  };
}

function withDefault(description: string, value: unknown): string {
  return value === undefined ? description : `${description} (default: ${String(value)})`;
}

/** Of several words such as `ec2|ssm|file` those that stand for nothing else may be given. */
function readValue(name: string, choices: readonly string[] | undefined): Value {
  const words = name.split("|");
  const isPlaceholder = (word: string) => FILE.test(word) || DIRECTORY.test(word);
  return {
    name,
    choices: choices ?? (words.length > 1 ? words.filter((word) => !isPlaceholder(word)) : []),
    takesFiles: words.some((word) => FILE.test(word)),
    takesDirectories: words.some((word) => DIRECTORY.test(word)),
  };
}

/** What a command's help has below its options, which commander tells only when it prints it. */
function notesOf(command: Command): string {
  let text = "";
  command
    .configureOutput({ writeOut: (part) => (text += part) })
    .configureHelp({ formatHelp: () => "" })
    .outputHelp();
  // An example may come first, and is indented.
  return text.replace(/^\n+/, "").trimEnd();
}
