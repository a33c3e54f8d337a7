import type { Command } from "commander";
import project from "../../deno.json" with { type: "json" };
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

/** `tally version`: prints the versions of the program and of the runtime in it. */
export function versionCommand({ output }: Shell): Command {
  return verb("version", "Show the version of the program and of the runtime in it", [
    ["tally version", "for a person"],
    ["tally version --json", "for a script"],
  ]).action(() => {
    const { deno, v8, typescript } = Deno.version;
    output.result(
      { tally: project.version, deno, v8, typescript, target: Deno.build.target },
      `tally ${project.version} (deno ${deno}, ${Deno.build.target})`,
    );
  });
}
