import { Command, type ParseOptionsResult } from "commander";

const VERSION_FLAG = /^--version(=|$)/;
/** A flag that nobody has: the root leaves it to the verb. */
const MARKED = "--\0version";

/** The root of the tree of verbs. Behind a verb, `--version` is the verb's own flag, and does not ask for the version of the program. */
export class RootCommand extends Command {
  override parseOptions(args: string[]): ParseOptionsResult {
    const verbAt = args.findIndex((arg) => this.commands.some((command) => command.name() === arg));
    const takesVersion = this.commands.find((command) => command.name() === args[verbAt])?.options
      .some(({ long }) => long === "--version") ?? false;
    if (!takesVersion) return super.parseOptions(args);
    const marked = args.map((arg, index) =>
      index > verbAt && VERSION_FLAG.test(arg) ? arg.replace("--version", MARKED) : arg
    );
    const { operands, unknown } = super.parseOptions(marked);
    return { operands: operands.map(unmarked), unknown: unknown.map(unmarked) };
  }
}

function unmarked(arg: string): string {
  return arg.replace(MARKED, "--version");
}
