import { NotFoundError } from "../errors.ts";
import type { ByteStream } from "../streams.ts";
import { watched } from "../streams.ts";
import { fileFacts, openFile } from "./files.ts";
import { openRegular } from "./regular_file.ts";

/**
 * Bytes `[start, end)` of a file that is kept while they are read: {@link removeUnused} of any process leaves it. On a file
 * system without locks it is read all the same.
 * @throws {NotFoundError} when there is no such file, or a link, a pipe or a device has its name
 */
export async function openUsed(path: string, start = 0, end = Infinity): Promise<ByteStream> {
  if (await fileFacts(path) === undefined) throw new NotFoundError(`Cannot read "${path}": there is no such file`);
  const stream = await openFile(path, start, end);
  const lock = await shareQuietly(path);
  return watched(stream, { look: () => {}, end: () => lock?.close(), drop: () => lock?.close() });
}

/** Removes a file that nobody reads or writes under a lock. @returns whether it has gone */
export async function removeUnused(path: string): Promise<boolean> {
  const file = await openRegular(path, { create: false }).catch(() => undefined);
  if (file === undefined) return false; // gone, or another user's
  using _closed = file;
  if (!await file.tryLock(true)) return false;
  await Deno.remove(path);
  return true;
}

/** Notes when a file was used last. One that is gone, or another user's, is left as it is. */
export async function touch(path: string, nowMs: number): Promise<void> {
  await Deno.utime(path, nowMs / 1000, nowMs / 1000).catch(() => undefined);
}

async function shareQuietly(path: string): Promise<Deno.FsFile | undefined> {
  const file = await Deno.open(path, { read: true }).catch(() => undefined);
  try {
    if (await file?.tryLock(false)) return file;
  } catch {
    // no locks here
  }
  file?.close();
  return undefined;
}
