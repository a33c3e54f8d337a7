import { dirname, join } from "node:path";
import { ConflictError } from "../errors.ts";
import { ensureFolder, syncFolder } from "./files.ts";

/** A folder at a fixed place, for one process at a time; disposing it removes what is still there. */
export interface WorkFolder extends AsyncDisposable {
  readonly path: string;
}

const PRIVATE_FOLDER_MODE = 0o700;
const OPEN_FOLDER_MODE = 0o777;
const NOT_EMPTY = "there is something already";
const OTHER_FILE_SYSTEM = "it is a file system of its own; name a folder in it";

/** @see POSIX.1-2017, rename() */
const MOVE_FAULTS: Readonly<Record<string, string>> = {
  EEXIST: NOT_EMPTY,
  ENOTEMPTY: NOT_EMPTY,
  ENOTDIR: NOT_EMPTY,
  EBUSY: OTHER_FILE_SYSTEM,
  EXDEV: OTHER_FILE_SYSTEM,
};

/**
 * Makes a folder, readable by the owner only, and locks it; what a killed process left in it is removed.
 * Returns `undefined` while another process works in it.
 */
export async function workFolder(path: string): Promise<WorkFolder | undefined> {
  await ensureFolder(dirname(path));
  for (;;) {
    await makeFolder(path);
    const folder = await openFolder(path);
    if (folder === undefined) continue; // the process before us has removed it meanwhile
    if (!await folder.tryLock(true)) return void folder.close();
    if (await isStillAt(path, folder)) {
      for await (const { name } of Deno.readDir(path)) await Deno.remove(join(path, name), { recursive: true });
      return { path, [Symbol.asyncDispose]: () => removeIfThere(path, folder).finally(() => folder.close()) };
    }
    folder.close(); // the process before us has moved or removed it meanwhile
  }
}

/** Not by `recursive`: that fails when another process removes the folder while it is looked at. */
async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { mode: PRIVATE_FOLDER_MODE });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Not what another process has made after ours was moved away. */
async function removeIfThere(path: string, folder: Deno.FsFile): Promise<void> {
  if (await isStillAt(path, folder)) await removeFolder(path);
}

async function openFolder(path: string): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function isStillAt(path: string, folder: Deno.FsFile): Promise<boolean> {
  const present = await openFolder(path);
  using _closed = present;
  return present !== undefined && (await present.stat()).ino === (await folder.stat()).ino;
}

/** Makes a folder that everybody may write in who can reach it; its parents are the owner's alone. */
export async function makeOpenFolder(path: string): Promise<void> {
  await ensureFolder(path);
  await Deno.chmod(path, OPEN_FOLDER_MODE); // whatever the process's own mask is
}

/** Removes a folder with everything in it; no error when it is not there. */
export async function removeFolder(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** What stands in the place of a folder. A symbolic link to a folder counts as that folder. */
export async function folderState(path: string): Promise<"missing" | "empty" | "filled" | "not_a_folder"> {
  try {
    for await (const _entry of Deno.readDir(path)) return "filled";
    return "empty";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "missing";
    if (error instanceof Deno.errors.NotADirectory) return "not_a_folder";
    throw error;
  }
}

/**
 * Gives a folder another place on the same file system, in one step that survives a power cut.
 * @throws {ConflictError} something other than an empty folder is in that place, or another file system
 */
export async function moveFolder(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const reason = MOVE_FAULTS[code];
    if (reason === undefined) throw error;
    throw new ConflictError(`Cannot put a folder in the place of "${to}": ${reason}`, undefined, { cause: error });
  }
  await syncFolder(dirname(to));
}

/**
 * Gives a file a second name on the same file system: its bytes stay there under it when the first name goes or is taken
 * over by another file. The folder of the second name is there. At once, so that it can be done under a lock.
 * @returns whether there was such a file
 */
export function linkFile(from: string, to: string): boolean {
  try {
    Deno.linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Makes folders below one that is there, each within the one before, and returns the last one's path. None of them is
 * reached through a symbolic link: names that others chose do not lead out of `base`.
 * @param segments names without slashes, none of them `.` or `..`
 * @throws {ConflictError} something other than a folder has one of the names, or `base` is none
 */
export async function foldersBelow(base: string, segments: readonly string[]): Promise<string> {
  if (!(await Deno.stat(base).catch(() => undefined))?.isDirectory) throw notAFolder(base);
  let path = base;
  for (const segment of segments) {
    if (/^\.{0,2}$|\//.test(segment)) throw new RangeError(`"${segment}" is not the name of a folder`);
    path = join(path, segment);
    await makeSharedFolder(path);
    if (!(await Deno.lstat(path)).isDirectory) throw notAFolder(path);
  }
  return path;
}

function notAFolder(path: string): ConflictError {
  return new ConflictError(`Cannot write below "${path}": it is not a folder`);
}

/** With the process's own mask: what is downloaded is for the person's other programs, too. */
async function makeSharedFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}
