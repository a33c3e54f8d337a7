import { recordOutput } from "./witness.ts";

/** A command of a transcript and what it prints. */
export interface Step {
  readonly command: string;
  readonly expected: readonly string[];
}

/** The ```` ```console ```` blocks of a Markdown page: `$ ` begins a command, a trailing `\` or an indent goes on with it. */
export function parseTranscripts(markdown: string): Step[][] {
  return [...markdown.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block]) => parseSteps(block ?? ""));
}

function parseSteps(block: string): Step[] {
  return block.split(/^\$ /m).slice(1).map((text) => {
    const lines = text.trimEnd().split("\n");
    const commandLines = 1 + lines.findIndex((line) => !line.endsWith("\\"));
    return { command: lines.slice(0, commandLines).join("\n"), expected: lines.slice(commandLines) };
  });
}

/** What a block has left in the background ends with it, also when a command fails. */
const END_CHILDREN = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT";

/**
 * Runs the commands of one block in one shell, so that variables last.
 * @returns what each command printed on standard output, line by line
 * @throws {Error} when a command fails, with all that was printed
 */
export async function runSteps(
  steps: readonly Step[],
  { bash, cwd, env = {} }: { bash: string; cwd: string; env?: Record<string, string> },
): Promise<string[][]> {
  const marker = `--- ${crypto.randomUUID()} ---`;
  const script = steps.map(({ command }) => `${command}\necho '${marker}'`).join("\n");
  const { success, stdout, stderr } = await new Deno.Command(bash, {
    args: ["-c", `set -euo pipefail\n${END_CHILDREN}\n${script}`],
    cwd,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  recordOutput("standard error of a transcript", new TextDecoder().decode(stderr));
  if (!success) throw new Error(`A command of the transcript failed:\n${text}${new TextDecoder().decode(stderr)}`);
  return text.split(`${marker}\n`).slice(0, -1).map((output) => output.replace(/\n$/, "").split("\n"));
}

/** Whether lines are as expected. `…` stands for any text within a line, and alone on a line for any number of lines. */
export function matchesTranscript(actual: readonly string[], expected: readonly string[]): boolean {
  if (expected.length === 0) return actual.every((line) => line === "");
  const pattern = expected.map((line) => line.trim() === "…" ? "(?:.*\n)*?" : `${linePattern(line)}\n`).join("");
  return new RegExp(`^${pattern}$`).test(actual.map((line) => `${line.trimEnd()}\n`).join(""));
}

/** Figures of other widths move the columns of a table: beside a `…`, any number of spaces are alike. */
function linePattern(line: string): string {
  return line.trimEnd().split(/\s*…\s*/).map(RegExp.escape).join(".*");
}
