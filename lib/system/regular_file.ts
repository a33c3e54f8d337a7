import { ConfigurationError } from "../errors.ts";
import { infoOf } from "./file_info.ts";

const PRIVATE_FILE_MODE = 0o600;
/** Other processes of ours make and replace files, too; but not all the time. */
const ATTEMPTS = 10;

/**
 * Opens a regular file for writing, under exactly this name: never through a link, which leads where somebody else wants, and no pipe, whose
 * opening waits for ever. What is in it stays.
 * @param create makes it, for its owner only, where there is none
 * @throws {ConfigurationError} something else has its name; {Deno.errors.NotFound} there is none, and none is to be made
 */
export async function openRegular(path: string, { create }: { readonly create: boolean }): Promise<Deno.FsFile> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const named = await infoOf(path);
    if (named !== undefined && !named.isFile) throw notRegular(path);
    const file = await openOrAgain(path, named === undefined && create);
    if (file === undefined) continue; // somebody else has made it in this moment
    const opened = await file.stat();
    const present = await infoOf(path);
    if (present?.isFile && present.ino === opened.ino && present.dev === opened.dev) return file;
    file.close(); // replaced in this moment
  }
  throw notRegular(path);
}

async function openOrAgain(path: string, createNew: boolean): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path, { write: true, ...(createNew ? { createNew, mode: PRIVATE_FILE_MODE } : {}) });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    throw error;
  }
}

function notRegular(path: string): ConfigurationError {
  return new ConfigurationError([`Cannot use "${path}": it is not a regular file`]);
}
