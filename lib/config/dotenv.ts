import { parseEnv } from "node:util";
import type { Bytes } from "../bytes.ts";
import { ConfigurationError } from "../errors.ts";
import { readSmallFile } from "../system/files.ts";

const FILE_LIMIT_BYTES = 64 * 1024;

/**
 * The variables of a `.env` file that have a value; `undefined` when there is no such file. Values are not expanded.
 * @throws {ConfigurationError} it is no text, or larger than 64 KiB
 */
export async function readDotenv(path: string): Promise<Readonly<Record<string, string>> | undefined> {
  try {
    const bytes = await readSmallFile(path, FILE_LIMIT_BYTES);
    return bytes && parseDotenv(bytes);
  } catch (cause) {
    throw new ConfigurationError([`Cannot read the settings in "${path}": it is not a text of NAME=value lines`], {
      cause,
    });
  }
}

/** The variables of the text of a `.env` file. @throws {TypeError} it is not UTF-8 */
export function parseDotenv(bytes: Bytes): Readonly<Record<string, string>> {
  const entries = Object.entries(parseEnv(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  return Object.fromEntries(entries.flatMap(([name, value]) => value ? [[name, value]] : []));
}
