import { Argument, type Command } from "commander";
import { bashScript, fishScript, readTree, zshScript } from "../completions.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** `tally completions`: prints the script that teaches a shell the verbs and flags. */
export function completionsCommand({ output }: Shell): Command {
  const command = verb("completions", "Print the script with which a shell completes verbs and flags", [
    ['eval "$(tally completions bash)"', "in ~/.bashrc"],
    ["tally completions zsh > ~/.zfunc/_tally", "where ~/.zfunc stands in $fpath, before compinit"],
    ["tally completions fish > ~/.config/fish/completions/tally.fish", "found by itself"],
  ]);
  return command
    .addArgument(new Argument("<shell>", "which shell").choices(Object.keys(SCRIPTS)))
    .action((shell: keyof typeof SCRIPTS) => output.raw(SCRIPTS[shell](readTree(command.parent ?? command))));
}
