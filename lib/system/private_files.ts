import { dirname } from "node:path";
import type { Bytes } from "../bytes.ts";
import { ConfigurationError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import { infoOf } from "./file_info.ts";
import { waitForFileLock } from "./file_lock.ts";
import { writeSmallFile } from "./atomic_file.ts";
import { ensureFolder, readSmallFile } from "./files.ts";

const PRIVATE_FILE_MODE = 0o600;
const PRIVATE_FOLDER_MODE = 0o700;
const OTHERS = 0o077;

/**
 * A small file that only its owner may read, or `undefined` when there is none. Rights that others have are taken away.
 * @throws {ConfigurationError} it belongs to another user, or is a link: then somebody else decides what is in it.
 * {TooLargeError}
 */
export async function readPrivateFile(path: string, limitBytes: number): Promise<Bytes | undefined> {
  const info = await infoOf(path);
  if (info === undefined) return undefined;
  if (!info.isFile) throw new ConfigurationError([`Cannot use "${path}": it is not a regular file`]);
  checkOwner(path, info);
  if (((info.mode ?? 0) & OTHERS) !== 0) await Deno.chmod(path, PRIVATE_FILE_MODE);
  return await readSmallFile(path, limitBytes);
}

/** Writes a small file for its owner only, whole or not at all, into a folder for its owner only. @throws {ConfigurationError} */
export async function writePrivateFile(path: string, bytes: Uint8Array): Promise<void> {
  await ensurePrivateFolder(dirname(path));
  await writeSmallFile(path, bytes);
}

/** Makes a folder that only its owner may look into, or makes one so. @throws {ConfigurationError} it belongs to another user */
export async function ensurePrivateFolder(path: string): Promise<void> {
  await ensureFolder(path);
  const info = await Deno.stat(path);
  checkOwner(path, info);
  if (((info.mode ?? 0) & OTHERS) !== 0) await Deno.chmod(path, PRIVATE_FOLDER_MODE);
}

/**
 * The same as {@link waitForFileLock}, in a folder that is made for its owner only.
 * @throws {ConfigurationError} the folder belongs to another user; the signal's reason when it is aborted first
 */
export async function waitForLock(path: string, clock: Clock, signal: AbortSignal): Promise<Disposable> {
  await ensurePrivateFolder(dirname(path));
  return await waitForFileLock(path, clock, signal);
}

function checkOwner(path: string, { uid }: Deno.FileInfo): void {
  if (uid === null || uid === Deno.uid()) return;
  throw new ConfigurationError([`Cannot use "${path}": it belongs to another user`]);
}
