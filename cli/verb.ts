import { Command, Option } from "commander";
import { UsageError } from "../lib/errors.ts";

/** An example of a command line and what it does. */
export type Example = readonly [commandLine: string, meaning: string];

const INDENT = "  ";

/** Makes a command whose help ends with examples. */
export function verb(name: string, description: string, examples: readonly Example[]): Command {
  return withExamples(new Command(name).description(description), examples);
}

/** Lets the help of a command end with examples. */
export function withExamples(command: Command, examples: readonly Example[]): Command {
  return command.addHelpText("after", `\n${examplesText(examples)}`);
}

/** Adds a command, and those below it, to the tree, with the behaviour of the tree's root. */
export function adopt(parent: Command, child: Command): Command {
  inherit(parent, child);
  return parent.addCommand(child);
}

function inherit(parent: Command, child: Command): void {
  child.copyInheritedSettings(parent);
  for (const grandchild of child.commands) inherit(child, grandchild);
}

/** Adds the flags with which a command signs in: `--email`, `--password-stdin`, and a refusal of `--password`. */
export function withAccount(command: Command, emailDescription: string): Command {
  refusePassword(command);
  return command
    .option("--email <email>", emailDescription)
    .option("--password-stdin", "read the password from the first line of standard input, instead of asking");
}

function refusePassword(command: Command): void {
  command.addOption(new Option("--password [ignored]").hideHelp());
  command.on("option:password", () => {
    throw new UsageError(
      "A password is not taken from the command line, where every user of this machine can read it: " +
        "leave the flag out to be asked, or use --password-stdin",
    );
  });
}

function examplesText(examples: readonly Example[]): string {
  const lines = examples.flatMap(([commandLine, meaning]) => [
    `${INDENT}$ ${commandLine}`,
    `${INDENT}  ${meaning}`,
  ]);
  return ["Examples:", ...lines].join("\n");
}
