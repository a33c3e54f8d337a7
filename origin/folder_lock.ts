import { join } from "node:path";
import { ConflictError } from "../lib/errors.ts";
import { lockFile } from "../lib/system/files.ts";

/** File that whoever serves a data folder has locked. */
export function lockPath(dataDir: string): string {
  return join(dataDir, "origin.lock");
}

/** Holds a data folder for this process alone, until it is disposed or the process ends. @throws {ConflictError} */
export async function lockFolder(dataDir: string): Promise<Disposable> {
  const lock = await lockFile(lockPath(dataDir));
  if (lock === undefined) throw new ConflictError(`Another origin is at work in the folder "${dataDir}"`);
  return lock;
}
