import type { Command } from "commander";
import type { Setting } from "../../lib/config/config.ts";
import { ALL_SETTINGS, readSettings, readSettingTexts, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

/** `tally config`: prints every setting, and where its value comes from. */
export function configCommand(shell: Shell): Command {
  const command = verb("config", "Show all settings and where each value comes from", [
    ["tally config", "what holds now, from the environment and the defaults"],
    ["tally --config /etc/tallystick.yaml config --json", "the same with a settings file, as JSON"],
    ["tally config --port 9000", "what would hold with this flag"],
  ]);
  return withSettings(command, ALL_SETTINGS)
    .action(async () => await showConfig(shell, command));
}

async function showConfig({ io, output }: Shell, command: Command): Promise<void> {
  const settings = [...(await readSettingTexts(command, io.environment)).values()];
  if (output.json) output.result(Object.fromEntries(settings.map(jsonEntry)));
  output.table([{ title: "SETTING" }, { title: "FROM" }, { title: "VALUE" }], settings.map(tableRow));
  await readSettings(command, io.environment); // faults are told after the values that cause them
}

function jsonEntry({ name, text, origin }: Setting): [string, unknown] {
  return [name, { value: masked(text) ?? null, origin }];
}

function tableRow({ name, text, origin }: Setting): string[] {
  return [name, origin, masked(text) ?? "-"];
}

/** No setting is a secret, but a URL may hold one by mistake. */
function masked(text: string | undefined): string | undefined {
  return text?.replace(/:\/\/[^/\s]*@/, "://***@");
}
