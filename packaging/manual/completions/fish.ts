import { PROGRAM } from "../command-sections.ts";
import { allCommands, type CommandFacts, type OptionFacts, type Value } from "../command-tree.ts";

/** The completion of fish: a line for each command, option and argument, and when it is offered. */
export function fishCompletion(program: CommandFacts): string {
  const commands = allCommands(program);
  const paths = commands.slice(1).map((command) => quoted(keyOf(command)));
  const valued = commands.flatMap((command) =>
    command.options
      .filter(({ value }) => value !== undefined)
      .flatMap(({ short, long }) => (short === undefined ? [long] : [short, long]))
      .map((name) => quoted(`${keyOf(command)} ${name}`)),
  );
  return `# fish completion for ${PROGRAM}. Made from the program's own commands.

set -g __s3_offload_agent_commands ${paths.join(" ")}
set -g __s3_offload_agent_valued ${valued.join(" ")}

${WALK}
complete -c ${PROGRAM} -f
${commands.map(linesOf).join("\n")}`;
}

function keyOf({ words }: CommandFacts): string {
  return [".", ...words].join(" ");
}

function linesOf(command: CommandFacts): string {
  const at = (place: string) => quoted(`__s3_offload_agent_at ${quoted(keyOf(command))} ${place}`);
  return [
    ...command.commands.map(({ name, description }) => [
      ...["-n", at("0"), "-a", name, "-d", quoted(description)],
    ]),
    ...command.options.map((option) => ["-n", at(""), ...optionWords(option)]),
    ...command.arguments.map(({ value, isVariadic }, index) => {
      const words = valueWords(value);
      return words.length === 0 ? [] : ["-n", at(isVariadic ? `${index} +` : `${index}`), ...words];
    }),
  ]
    .filter((words) => words.length > 0)
    .map((words) => `complete -c ${PROGRAM} ${words.join(" ")}\n`)
    .join("");
}

function optionWords({ short, long, value, description }: OptionFacts): string[] {
  return [
    ...(short === undefined ? [] : ["-s", short.slice(1)]),
    ...["-l", long.slice(2)],
    // Of an option that takes a value, fish offers files unless it is told not to.
    ...(value === undefined ? [] : [value.takesFiles ? "-r" : "-x", ...valueWords(value)]),
    ...["-d", quoted(description)],
  ];
}

function valueWords({ choices, takesFiles, takesDirectories }: Value): string[] {
  return [
    ...(takesFiles ? ["-F"] : []),
    ...(takesDirectories ? ["-a", "'(__fish_complete_directories)'"] : []),
    ...(choices.length === 0 ? [] : ["-a", quoted(choices.join(" "))]),
  ];
}

/** In single quotes fish takes only these two for its own. */
function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, "\\$&")}'`;
}

const WALK = `# Whether the line so far is of this command, and if a place is given: whether its argument of that
# number (from 0) comes next, or with a + behind it that one or a later one.
function __s3_offload_agent_at --argument-names wanted place more
    set -l words (commandline -opc)
    set -l command .
    set -l count 0
    set -l skip no
    for word in $words[2..]
        if test $skip = yes
            set skip no
        else if string match -q -- '-*' $word
            contains -- "$command $word" $__s3_offload_agent_valued; and set skip yes
        else if test $count = 0; and contains -- "$command $word" $__s3_offload_agent_commands
            set command "$command $word"
        else
            set count (math $count + 1)
        end
    end
    test "$command" = "$wanted"; or return 1
    test -n "$place"; or return 0
    if test -n "$more"
        test $count -ge $place
    else
        test $count = $place
    end
end
`;
