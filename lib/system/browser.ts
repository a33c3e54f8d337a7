import { type Environment, wholeEnvironment } from "./environment.ts";
import { launchChild } from "./process.ts";

/** A program that shows an address, with its arguments; `%s` stands for the address, which else comes last. */
export type BrowserCommand = readonly [program: string, ...args: string[]];

const ADDRESS = "%s";
const SSH_VARIABLES = ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"];
const DISPLAY_VARIABLES = ["DISPLAY", "WAYLAND_DISPLAY"];

/**
 * The browsers to try on this machine, the best first; none where no person would see one: without a terminal, over SSH, and
 * on Linux without a display.
 * @param isTerminal whether a person sits at a terminal
 * @param os as `Deno.build.os` has it
 */
export function browserCommands(environment: Environment, isTerminal: boolean, os: string): readonly BrowserCommand[] {
  if (!isTerminal || SSH_VARIABLES.some((name) => environment(name) !== undefined)) return [];
  const hasDisplay = os !== "linux" || DISPLAY_VARIABLES.some((name) => environment(name) !== undefined);
  if (!hasDisplay) return [];
  return [...namedBrowsers(environment("BROWSER") ?? ""), [os === "darwin" ? "open" : "xdg-open"]];
}

/** `BROWSER` is a list with colons; each entry is split at spaces, and no shell reads it. */
function namedBrowsers(text: string): BrowserCommand[] {
  return text.split(":").flatMap((entry) => {
    const [program, ...args] = entry.split(" ").filter((word) => word !== "");
    return program === undefined ? [] : [[program, ...args] as const];
  });
}

/** Shows an address in the first of the browsers that starts. @returns whether there was one */
export async function openInBrowser(
  commands: readonly BrowserCommand[],
  url: URL,
  signal: AbortSignal,
): Promise<boolean> {
  for (const [program, ...rest] of commands) {
    const args = rest.includes(ADDRESS) ? rest.map((word) => word === ADDRESS ? url.href : word) : [...rest, url.href];
    if (await launchChild(program, { args, env: wholeEnvironment(), signal })) return true;
  }
  return false;
}
