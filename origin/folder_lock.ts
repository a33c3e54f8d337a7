import { join } from "node:path";
import { ConflictError } from "../lib/errors.ts";
import { lockFile } from "../lib/system/files.ts";

/** Holds a data folder for this process alone, until it is disposed or the process ends. @throws {ConflictError} */
export async function lockFolder(dataDir: string): Promise<Disposable> {
  const lock = await lockFile(join(dataDir, "origin.lock"));
  if (lock === undefined) throw new ConflictError(`Another origin is at work in the folder "${dataDir}"`);
  return lock;
}
