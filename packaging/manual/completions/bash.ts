import { PROGRAM } from "../command-sections.ts";
import { allCommands, type CommandFacts, type Value } from "../command-tree.ts";

/**
 * The completion of bash 4.2 and later, which needs no bash-completion: tables of what stands
 * where, and one function that walks the line.
 */
export function bashCompletion(program: CommandFacts): string {
  const commands = allCommands(program);
  const tables = {
    commands: commands
      .filter((command) => command.commands.length > 0)
      .map((command) => [keyOf(command), namesOf(command.commands)] as const),
    options: commands
      .filter((command) => command.options.length > 0)
      .map((command) => [keyOf(command), optionNames(command)] as const),
    values: commands.flatMap((command) =>
      command.options.flatMap(({ short, long, value }) =>
        value === undefined
          ? []
          : [short, long]
              .filter((name) => name !== undefined)
              .map((name) => [`${keyOf(command)} ${name}`, wordsOf(value)] as const),
      ),
    ),
    arguments: commands.flatMap((command) =>
      command.arguments.map(({ value, isVariadic }, index) => {
        const place = isVariadic ? "rest" : index;
        return [`${keyOf(command)} ${place}`, wordsOf(value)] as const;
      }),
    ),
  };
  const text = Object.entries(tables).map(([name, rows]) => tableText(name, rows));
  return `# bash completion for ${PROGRAM}                    -*- shell-script -*-
# Made from the program's own commands.

_s3_offload_agent() {
${text.join("")}${WALK}}

complete -F _s3_offload_agent ${PROGRAM}
`;
}

/** A command by its words; the program itself by a word that no command has. */
function keyOf({ words }: CommandFacts): string {
  return [".", ...words].join(" ");
}

function namesOf(commands: readonly CommandFacts[]): string {
  return commands.map(({ name }) => name).join(" ");
}

function optionNames({ options }: CommandFacts): string {
  return options
    .flatMap(({ short, long }) => (short === undefined ? [long] : [short, long]))
    .join(" ");
}

function wordsOf({ choices, takesFiles, takesDirectories }: Value): string {
  return [
    ...choices,
    ...(takesFiles ? ["<file>"] : []),
    ...(takesDirectories ? ["<directory>"] : []),
  ].join(" ");
}

function tableText(name: string, rows: readonly (readonly [string, string])[]): string {
  const lines = rows.map(([key, words]) => `    [${quoted(key)}]=${quoted(words)}\n`);
  return `  local -A ${name}=(\n${lines.join("")}  )\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Bash takes an equals sign for a word of its own, so `--config=FILE` comes as three of them. Where
 * files are wanted readline completes them itself, which knows about quotes and the tilde.
 */
const WALK = `  local IFS=$' \\t\\n' command=. word option= words= only_arguments=
  local -i index count=0
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if [[ -z $only_arguments && $word == -- ]]; then
      only_arguments=yes
    elif [[ -z $only_arguments && $word == -* ]]; then
      [[ -n \${values["$command $word"]+set} ]] || continue
      [[ \${COMP_WORDS[index + 1]} == = ]] && index+=1
      index+=1
      # The value is the word that is being completed.
      ((index < COMP_CWORD)) || option=$word
    elif [[ $count == 0 && " \${commands[$command]} " == *" $word "* ]]; then
      command+=" $word"
    else
      count+=1
    fi
  done

  local current=\${COMP_WORDS[COMP_CWORD]}
  [[ $current == = ]] && current=
  COMPREPLY=()
  if [[ -n $option ]]; then
    words=\${values["$command $option"]}
  elif [[ -z $only_arguments && $current == -* ]]; then
    words=\${options[$command]}
  elif [[ $count == 0 && -n \${commands[$command]} ]]; then
    words=\${commands[$command]}
  elif [[ -n \${arguments["$command $count"]+set} ]]; then
    words=\${arguments["$command $count"]}
  elif [[ -n \${arguments["$command rest"]+set} ]]; then
    words=\${arguments["$command rest"]}
  elif [[ -z $only_arguments ]]; then
    words=\${options[$command]}
  fi
  case $words in
    *'<file>') compopt -o default -o bashdefault ;;
    *'<directory>') compopt -o dirnames ;;
  esac
  words=\${words%'<file>'}
  words=\${words%'<directory>'}
  COMPREPLY=($(compgen -W "$words" -- "$current"))
`;
