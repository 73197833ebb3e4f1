import { PROGRAM } from "../command-sections.ts";
import { allCommands, type CommandFacts, type OptionFacts, type Value } from "../command-tree.ts";

/** The completion of zsh: a function for each command, which leaves the rest to _arguments. */
export function zshCompletion(program: CommandFacts): string {
  return `#compdef ${PROGRAM}
# Made from the program's own commands.

${allCommands(program).map(functionOf).join("\n")}
${nameOf(program)} "$@"
`;
}

function nameOf({ words }: CommandFacts): string {
  return [`_${PROGRAM}`, ...words].join("-");
}

function functionOf(command: CommandFacts): string {
  const options = command.options.map((option) => `    ${optionSpec(option)}`);
  const specs = command.commands.length > 0 ? COMMAND_SPECS : argumentSpecs(command);
  const lines = [...options, ...specs.map((spec) => `    ${spec}`)];
  const call = lines.length === 0 ? "" : `  _arguments -C -S -s \\\n${lines.join(" \\\n")}\n`;
  return `${nameOf(command)}() {
  local curcontext=$curcontext context state state_descr line ret=1
  local -A opt_args
${call.trimEnd()} && ret=0
${command.commands.length > 0 ? dispatch(command) : ""}  return ret
}
`;
}

const COMMAND_SPECS = ["'1:command:->command'", "'*:: :->rest'"];

/** Which function completes what follows a command. */
function dispatch(command: CommandFacts): string {
  const names = command.commands.map(
    ({ name, description }) => `        ${quoted(`${name}:${description}`)}\n`,
  );
  const cases = command.commands.map((one) => `        ${one.name}) ${nameOf(one)} && ret=0 ;;\n`);
  return `  case $state in
    command)
      local -a names=(
${names.join("")}      )
      _describe -t commands command names && ret=0
      ;;
    rest)
      curcontext="\${curcontext%:*}-$words[1]:"
      case $words[1] in
${cases.join("")}      esac
      ;;
  esac
`;
}

/** `(-o --output)` says that either shuts out the other; a `*` in front that it may be repeated. */
function optionSpec({ short, long, value, isRepeatable, description }: OptionFacts): string {
  const action = value === undefined ? "" : `:${escaped(value.name)}:${actionOf(value)}`;
  const text = `[${escaped(description)}]${action}`;
  const take = value === undefined ? "" : "=";
  if (isRepeatable) return quoted(`*${long}${take}${text}`);
  if (short === undefined) return quoted(`${long}${take}${text}`);
  const both = `{${short}${value === undefined ? "" : "+"},${long}${take}}`;
  return `${quoted(`(${short} ${long})`)}${both}${quoted(text)}`;
}

function argumentSpecs(command: CommandFacts): string[] {
  return command.arguments.map(({ value, isRequired, isVariadic }, index) => {
    const place = isVariadic ? "*" : `${index + 1}`;
    const optional = isRequired || isVariadic ? ":" : "::";
    return quoted(`${place}${optional}${escaped(value.name)}:${actionOf(value)}`);
  });
}

/** What completes a value; a space: nothing does, but the value has a name to show. */
function actionOf({ choices, takesFiles, takesDirectories }: Value): string {
  const files = takesFiles ? "_files" : takesDirectories ? "_files -/" : undefined;
  const words = choices.length === 0 ? undefined : `(${choices.join(" ")})`;
  if (files === undefined) return words ?? " ";
  if (words === undefined) return files;
  return `{_alternative "words\\:word\\:${words}" "files\\:file\\:${files}"}`;
}

/** Brackets end a description, colons a part of a specification. */
function escaped(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, "\\$&");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
