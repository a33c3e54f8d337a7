import { z } from "zod";
import { ConfigurationError, messageOf } from "../errors.ts";
import { isLoopback } from "../http/loopback.ts";
import type { Environment } from "../system/environment.ts";
import { readSmallFile } from "../system/files.ts";
import { type Option, OPTIONS, type SettingKey, type Settings } from "./options.ts";

/** Where a value came from, strongest first. */
export type Origin = "flag" | "environment" | "file" | "default";

/** A setting with its text and where it came from; `text` is `undefined` when nobody set it and it has no default. */
export interface Setting {
  readonly name: string;
  readonly text: string | undefined;
  readonly origin: Origin;
}

/** What settings are read from. */
export interface Sources {
  /** By flag name, without dashes. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly environment: Environment;
  /** By setting name. */
  readonly file: Readonly<Record<string, string>>;
}

const KEYS = Object.keys(OPTIONS) as SettingKey[];
const FILE_LIMIT_BYTES = 64 * 1024;
const fileSchema = z.record(z.string(), z.string().min(1));

/** Every setting as text, with its origin: flag before environment before file before default. */
export function collectSettings(sources: Sources): ReadonlyMap<SettingKey, Setting> {
  return new Map(KEYS.map((key) => [key, collectSetting(OPTIONS[key], sources)]));
}

function collectSetting({ name, flag, fallback }: Option<unknown>, { flags, environment, file }: Sources): Setting {
  if (flags[flag] !== undefined) return { name, text: flags[flag], origin: "flag" };
  const variable = environment(name);
  if (variable !== undefined) return { name, text: variable, origin: "environment" };
  if (file[name] !== undefined) return { name, text: file[name], origin: "file" };
  return { name, text: fallback(environment), origin: "default" };
}

/**
 * Checks all settings at once.
 * @param required settings that must not be missing for what the program is about to do
 * @throws {ConfigurationError} with every fault, not just the first
 */
export function parseSettings(sources: Sources, required: readonly SettingKey[] = ["resourceApiUrl"]): Settings {
  const collected = collectSettings(sources);
  const faults: string[] = unknownNames(sources.file);
  const values: Partial<Record<SettingKey, unknown>> = {};
  for (const [key, { name, text, origin }] of collected) {
    if (text === undefined && required.includes(key)) {
      faults.push(`${name} is not set: give --${OPTIONS[key].flag} or the variable`);
    }
    if (text === undefined) continue;
    try {
      values[key] = OPTIONS[key].parse(text);
    } catch (error) {
      if (origin !== "default") faults.push(`${name} ${messageOf(error)}`); // else it follows from a fault in another one
    }
  }
  values.callerAuth ??= isLoopback(String(values.host)) ? "session" : "bearer";
  faults.push(...contradictions(values as Settings));
  if (faults.length > 0) throw new ConfigurationError(faults);
  return values as Settings;
}

function unknownNames(file: Readonly<Record<string, string>>): string[] {
  const known = new Set(KEYS.map((key) => OPTIONS[key].name));
  return Object.keys(file).filter((name) => !known.has(name)).map((name) =>
    `${name} in the settings file is not a setting`
  );
}

function contradictions(settings: Settings): string[] {
  const { callerAuth, host, jwtAlgorithms, jwtHs256SecretFile, tlsCertFile, tlsKeyFile } = settings;
  const faults: string[] = [];
  if (callerAuth === "session" && !isLoopback(host)) {
    faults.push(
      `CALLER_AUTH is session, but HOST ${host} can be reached from other machines: use bearer, or listen on 127.0.0.1`,
    );
  }
  if (jwtAlgorithms?.includes("HS256") && jwtHs256SecretFile === undefined) {
    faults.push("JWT_ALGORITHMS holds HS256, but JWT_HS256_SECRET_FILE is not set");
  }
  if ((tlsCertFile === undefined) !== (tlsKeyFile === undefined)) {
    faults.push("TLS_CERT_FILE and TLS_KEY_FILE belong together: set both or neither");
  }
  return faults;
}

/** Reads a YAML file of `NAME: value` lines. @throws {ConfigurationError} when it is missing or not of that form */
export async function readSettingsFile(path: string): Promise<Record<string, string>> {
  const bytes = await readSmallFile(path, FILE_LIMIT_BYTES);
  if (bytes === undefined) {
    throw new ConfigurationError([`Cannot read the settings file "${path}": there is no such file`]);
  }
  return await parseSettingsFile(path, new TextDecoder().decode(bytes));
}

/**
 * The text of a settings file. Every value is taken as text, so that a version such as `1.10` stays what it is.
 * @param path for messages
 * @throws {ConfigurationError} it is not a list of `NAME: value` lines
 */
export async function parseSettingsFile(path: string, text: string): Promise<Record<string, string>> {
  try {
    const { parse: parseYaml } = await import("yaml"); // 15 MiB of memory, for those who have a file
    // Warnings would show lines of the file.
    const options = { schema: "failsafe", maxAliasCount: 0, prettyErrors: false, logLevel: "error" } as const;
    return fileSchema.parse(parseYaml(text, options) || {});
  } catch (error) {
    throw new ConfigurationError([`The settings file "${path}" is not a list of NAME: value lines`], { cause: error });
  }
}
