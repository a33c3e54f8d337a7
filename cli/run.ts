import { CommanderError } from "commander";
import { UsageError } from "../lib/errors.ts";
import { EXIT_CODES } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { ClosedOutputError, Output } from "./output.ts";
import { createProgram } from "./program.ts";
import type { Programs, Shell } from "./shell.ts";
import { systemError } from "./system_error.ts";

const OK = 0;

/**
 * Runs one command line and says how it ended.
 * @param args what stands behind the program's name
 * @param signal asks the command to stop; it cleans up and ends with 130, a service with 0
 * @returns the exit code
 */
export async function run(args: readonly string[], io: Io, programs: Programs, signal: AbortSignal): Promise<number> {
  const output = new Output({ ...io, json: asksForJson(args) });
  const shell: Shell = { io, output, programs, signal };
  try {
    const program = await createProgram(shell, args[0]);
    await program.parseAsync([...args], { from: "user" });
    return OK;
  } catch (error) {
    if (error instanceof CommanderError) return usage(error, output);
    if (error instanceof ClosedOutputError) return EXIT_CODES.interrupted;
    const { error: told, hint } = systemError(error) ?? { error };
    return output.error(told, hint);
  }
}

/** Known before the command line is understood, so that a fault in it can be told as JSON. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const flags = args.slice(0, end === -1 ? args.length : end);
  return flags.includes("--json") || flags.includes("--format=json") || flags[flags.indexOf("--format") + 1] === "json";
}

function usage(error: CommanderError, output: Output): number {
  if (error.exitCode === OK) return OK; // help or version that was asked for
  if (error.code === "commander.help") return output.error(new UsageError("No verb was named"));
  const sentence = error.message.replace(/^error: /, "").replace(/\n/g, " ");
  return output.error(new UsageError(sentence.charAt(0).toUpperCase() + sentence.slice(1)));
}
