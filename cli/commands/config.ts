import type { Command } from "commander";
import type { Setting } from "../../lib/config/config.ts";
import { collectPlatformSettings, parsePlatformSettings } from "../../lib/config/platform_settings.ts";
import { type PlatformFlags, platformSources, withPlatform } from "../platform.ts";
import { ALL_SETTINGS, readSettings, readSettingTexts, withSettings } from "../settings.ts";
import type { Shell } from "../shell.ts";
import { verb } from "../verb.ts";

/** `tally config`: prints every setting, and where its value comes from. */
export function configCommand(shell: Shell): Command {
  const command = verb("config", "Show all settings and where each value comes from", [
    ["tally config", "what holds now, from the environment and the defaults"],
    ["tally --config /etc/tallystick.yaml config --json", "the same with a settings file, as JSON"],
    ["tally config --port 9000", "what would hold with this flag"],
    ["tally config --platform --api-root staging", "the settings of a platform instead"],
  ]);
  command.option("--platform", "show the settings of the platform instead");
  return withSettings(withPlatform(command), ALL_SETTINGS)
    .action(async (flags: PlatformFlags & { platform?: boolean }) => {
      await (flags.platform ? showPlatform(shell, flags) : showConfig(shell, command));
    });
}

async function showConfig(shell: Shell, command: Command): Promise<void> {
  const { environment } = shell.io;
  show(shell, [...(await readSettingTexts(command, environment)).values()]);
  await readSettings(command, environment); // faults are told after the values that cause them
}

async function showPlatform(shell: Shell, flags: PlatformFlags): Promise<void> {
  const sources = await platformSources(shell, flags);
  const settings = [...collectPlatformSettings(sources).values()].map((setting) => ({
    ...setting,
    text: hidden(setting),
  }));
  show(shell, settings);
  parsePlatformSettings(sources); // faults are told after the values that cause them
}

/** Tokens are secrets; that there is one may be seen. */
function hidden({ name, text }: Setting): string | undefined {
  return text !== undefined && name.endsWith("_TOKEN") ? "********" : text;
}

function show({ output }: Shell, settings: readonly Setting[]): void {
  if (output.json) output.result(Object.fromEntries(settings.map(jsonEntry)));
  output.table([{ title: "SETTING" }, { title: "FROM" }, { title: "VALUE" }], settings.map(tableRow));
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
