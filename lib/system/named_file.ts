import { dirname, resolve } from "node:path";
import type { Bytes } from "../bytes.ts";
import { ConfigurationError, TooLargeError } from "../errors.ts";
import { infoOf } from "./file_info.ts";
import { readUpTo } from "./random_reader.ts";

/** A small file that a person has named, such as a key. */
export interface NamedFile {
  readonly bytes: Bytes;
  /** Rights, as the file that was read has them. */
  readonly mode: number;
}

/**
 * The whole of a small file that a person has named; `undefined` when there is nothing under that name.
 *
 * A symbolic link is followed to a file that lies below the link's own folder and belongs to the link's owner, as Kubernetes lays out secrets:
 * whoever can make such a link could put such a file in its place. Any other link is refused: what may be read there would be decided elsewhere.
 * @throws {ConfigurationError} it is no regular file, or such a link; {TooLargeError} past `limitBytes`
 */
export async function readNamedFile(path: string, limitBytes: number): Promise<NamedFile | undefined> {
  const info = await infoOf(path);
  if (info === undefined) return undefined;
  if (info.isSymlink) await requireOwnFolder(path, info);
  if (!(await Deno.stat(path)).isFile) throw refused(path, "it is not a regular file"); // opening a pipe would wait
  using file = await Deno.open(path, { read: true });
  const { isFile, size, mode } = await file.stat();
  if (!isFile) throw refused(path, "it is not a regular file");
  if (size > limitBytes) throw new TooLargeError(`"${path}" is larger than ${limitBytes} bytes`, limitBytes);
  return { bytes: await readUpTo(file, size), mode: mode ?? 0 };
}

async function requireOwnFolder(path: string, link: Deno.FileInfo): Promise<void> {
  const target = await realPathOf(path);
  if (target === undefined) throw refused(path, "it is a link that leads nowhere");
  if (!target.startsWith(`${await folderOf(path)}/`)) throw refused(path, "it is a link that leads out of its folder");
  if ((await Deno.stat(path)).uid !== link.uid) throw refused(path, "it is a link to a file of another user");
}

async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.FilesystemLoop) return undefined;
    throw error;
  }
}

/** A sandbox may let the file be read, and not its folder: then the folder must not be behind a link itself. */
async function folderOf(path: string): Promise<string> {
  const folder = dirname(resolve(path));
  try {
    return await Deno.realPath(folder);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return folder;
    throw error;
  }
}

function refused(path: string, why: string): ConfigurationError {
  return new ConfigurationError([`Cannot read "${path}": ${why}`]);
}
