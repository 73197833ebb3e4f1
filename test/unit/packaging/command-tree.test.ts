import { expect } from "chai";
import { Argument, Command, Option } from "commander";
import { allCommands, readCommandTree } from "../../../packaging/manual/command-tree.ts";

describe("readCommandTree", () => {
  it("takes a new option, argument and command of the program by itself", () => {
    const program = new Command("tool").description("does things");
    program
      .command("copy")
      .description("copy files")
      .option("-f, --force", "over what is there")
      .option("-o, --output <file>", "where to")
      .addOption(new Option("--mode <mode>", "how").choices(["fast", "safe"]).default("safe"))
      .option("--only <all|new|file>", "which")
      .option("--host <id...>", "whose")
      .addOption(new Option("--secret", "not told").hideHelp())
      .argument("<file>", "what")
      .argument("[dir...]", "where to")
      .addHelpText("after", "\nBelow.\n\n  tool copy a b")
      .action(() => expect.fail("a command was run"));
    const copy = readCommandTree(program).commands[0];

    const none = { choices: [], takesFiles: false, takesDirectories: false };
    expect(copy).to.deep.equal({
      name: "copy",
      words: ["copy"],
      description: "copy files",
      arguments: [
        {
          value: { ...none, name: "file", takesFiles: true },
          isRequired: true,
          isVariadic: false,
          description: "what",
        },
        {
          value: { ...none, name: "dir", takesDirectories: true },
          isRequired: false,
          isVariadic: true,
          description: "where to",
        },
      ],
      options: [
        option("--force", "over what is there", { short: "-f" }),
        option("--output", "where to", {
          short: "-o",
          value: { ...none, name: "file", takesFiles: true },
        }),
        option("--mode", "how (default: safe)", {
          value: { ...none, name: "mode", choices: ["fast", "safe"] },
        }),
        option("--only", "which", {
          value: { ...none, name: "all|new|file", choices: ["all", "new"], takesFiles: true },
        }),
        option("--host", "whose", { value: { ...none, name: "id" }, isRepeatable: true }),
        option("--help", "display help for command", { short: "-h" }),
      ],
      notes: "Below.\n\n  tool copy a b",
      commands: [],
    });
  });

  it("lets help take the commands beside it", () => {
    const program = new Command("tool");
    program.command("a").command("b");
    program.command("c").addArgument(new Argument("<x>"));
    const commands = allCommands(readCommandTree(program));
    expect(commands.map(({ words }) => words.join(" "))).to.deep.equal([
      ...["", "a", "a b", "a help", "c", "help"],
    ]);
    const help = commands.at(-1);
    expect(help?.arguments[0]?.value.choices).to.deep.equal(["a", "c"]);
    expect(help?.options).to.deep.equal([]);
  });

  it("keeps the indentation of an example that comes first below the options", () => {
    const program = new Command("tool").addHelpText("after", "\n  tool a\n\nText.\n");
    expect(readCommandTree(program).notes).to.equal("  tool a\n\nText.");
  });
});

function option(long: string, description: string, more: object) {
  return { short: undefined, long, value: undefined, isRepeatable: false, description, ...more };
}
