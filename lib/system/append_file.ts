import { dirname } from "node:path";
import type { Bytes } from "../bytes.ts";
import { collect } from "../streams.ts";
import { diskErrorOr, fileFacts, openFile, syncFolder } from "./files.ts";
import { openRegular } from "./regular_file.ts";

/** The last bytes of a file, `limitBytes` at most; none when there is no such file. */
export async function readEnd(path: string, limitBytes: number): Promise<Bytes> {
  const facts = await fileFacts(path);
  if (facts === undefined) return new Uint8Array();
  return await collect(await openFile(path, Math.max(0, facts.sizeBytes - limitBytes)), limitBytes);
}

/**
 * Writes bytes at the place `atBytes` of a file, and cuts off what stood behind it; a file that was not there is made for its owner
 * only. They are on the disk when it returns. On an error the file is as long as it was before.
 * @throws {DiskFullError}; {ConfigurationError} what has its name is no regular file
 */
export async function appendToFile(path: string, bytes: Uint8Array, atBytes: number): Promise<void> {
  using file = await openRegular(path, { create: true });
  try {
    await file.truncate(atBytes);
    await file.seek(atBytes, Deno.SeekMode.Start);
    for (let offset = 0; offset < bytes.byteLength;) offset += await file.write(bytes.subarray(offset));
    await file.syncData();
  } catch (error) {
    await file.truncate(atBytes).catch(() => undefined); // a torn line is cut off by the next call, too
    throw diskErrorOr(error, path);
  }
  if (atBytes === 0) await syncFolder(dirname(path));
}
