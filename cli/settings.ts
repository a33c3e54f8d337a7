import { type Command, Option as Flag } from "commander";
import { collectSettings, parseSettings, readSettingsFile, type Setting, type Sources } from "../lib/config/config.ts";
import { OPTIONS, type SettingKey, type Settings } from "../lib/config/options.ts";
import type { Environment } from "../lib/system/environment.ts";

/** All settings, in the order of their table. */
export const ALL_SETTINGS = Object.keys(OPTIONS) as SettingKey[];

/** Settings of a verb that works by itself, without a device service. */
export const DIRECT_SETTINGS: readonly SettingKey[] = [
  "resourceApiUrl",
  "cdnConfig",
  "modelCacheDir",
  "modelCacheQuota",
  "mediaDirs",
  "limitRate",
  "resourceFormat",
  "publisherKeyFile",
  "stateDir",
  "hardwareRoot",
  "hardwareFile",
  "jwtJwksUrl",
  "jwtIssuer",
  "jwtAudience",
  "jwtAlgorithms",
  "jwtHs256SecretFile",
  "jwtVerify",
  "cryptoAccel",
  "cryptoLibrary",
  "logLevel",
];

/** Settings that say which Docker engine is meant, and how it is spoken to. */
export const DOCKER_SETTINGS: readonly ("dockerHost" | "dockerVia" | "dockerProgram")[] = [
  "dockerHost",
  "dockerVia",
  "dockerProgram",
];

/** Gives a command one flag for each of the settings, under a heading of its own in the help. */
export function withSettings(command: Command, keys: readonly SettingKey[], heading = "Settings:"): Command {
  for (const key of keys) command.addOption(settingFlag(key).helpGroup(heading));
  return command;
}

function settingFlag(key: SettingKey): Flag {
  const { flag, doc, fallbackText } = OPTIONS[key];
  const text = ["required", "none"].includes(fallbackText) ? doc : `${doc} (default: ${fallbackText})`;
  return new Flag(`--${flag} <value>`, text);
}

/**
 * The settings that hold for a command: its flags, the variables, the file of `--config`, the defaults.
 * @param required settings that must not be missing
 * @throws {ConfigurationError} with every fault
 */
export async function readSettings(
  command: Command,
  environment: Environment,
  required: readonly SettingKey[] = [],
): Promise<Settings> {
  return parseSettings(await readSources(command, environment), required);
}

/** Every setting as text and where it came from, without a check. */
export async function readSettingTexts(
  command: Command,
  environment: Environment,
): Promise<ReadonlyMap<SettingKey, Setting>> {
  return collectSettings(await readSources(command, environment));
}

async function readSources(command: Command, environment: Environment): Promise<Sources> {
  const given = command.optsWithGlobals<Record<string, unknown>>();
  const path = given.config;
  return {
    flags: Object.fromEntries(ALL_SETTINGS.map((key) => [OPTIONS[key].flag, textOf(given[key])])),
    environment,
    file: typeof path === "string" ? await readSettingsFile(path) : {},
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
