import type { Bytes } from "../bytes.ts";
import { ConfigurationError } from "../errors.ts";
import { writeNewFile } from "../system/atomic_file.ts";
import { isTaken, readSmallFile, requirePrivate } from "../system/files.ts";

const LIMIT_BYTES = 64;

/**
 * The raw content key in a file, for escrow and for other programs: nothing but its 16 or 32 bytes.
 * @returns `undefined` when there is no such file
 * @throws {ConfigurationError} others than its owner may read it, or it is no regular file
 */
export async function readContentKey(path: string): Promise<Bytes | undefined> {
  const bytes = await readSmallFile(path, LIMIT_BYTES);
  if (bytes !== undefined) await requirePrivate(path);
  else if (await isTaken(path)) {
    throw new ConfigurationError([`Cannot read the content key in "${path}": it is not a regular file`]);
  }
  return bytes;
}

/** Writes a raw content key, readable by its owner only. @throws {ConfigurationError} when the file exists */
export async function writeContentKey(path: string, raw: Bytes): Promise<void> {
  if (await writeNewFile(path, raw)) return;
  throw new ConfigurationError([`Cannot write the content key to "${path}": it exists`]);
}
