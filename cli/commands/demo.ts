import type { Command } from "commander";
import { DOCKER_SETTINGS, readSettings, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

/** `tally demo`: shows the main job on this machine, on real input. */
export function demoCommand(shell: Shell): Command {
  const command = verb(
    "demo",
    "Publish, split, load and unlock on this machine, with an origin and a device of its own",
    [
      ["tally demo", "with this program's own file, about 100 MB; nothing stays behind"],
      ["tally demo model.onnx", "with a file of yours"],
      ["tally demo --json", "a line per event"],
      ["tally demo --keep", "leaves the folder with all state, to look at"],
    ],
  );
  command.argument("[file]", "file that goes the whole way (default: the program itself)")
    .option("--keep", "leave the folder with the state of origin and device");
  return withSettings(command, DOCKER_SETTINGS)
    .action(async (file: string | undefined, { keep = false }: { keep?: boolean }) => {
      const docker = await readSettings(command, shell.io.environment);
      const { runDemo } = await import("../demo/demo.ts");
      await runDemo({ path: file ?? Deno.execPath(), docker, keep }, shell);
    });
}
