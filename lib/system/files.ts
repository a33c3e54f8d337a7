import { dirname } from "node:path";
import type { Bytes } from "../bytes.ts";
import { ConfigurationError, DiskFailedError, DiskFullError, NotFoundError, TooLargeError } from "../errors.ts";
import { type ByteStream, byteStream, collect } from "../streams.ts";
import { infoOf } from "./file_info.ts";
import { readNamedFile } from "./named_file.ts";
import { openRegular } from "./regular_file.ts";

const PRIVATE_FOLDER_MODE = 0o700;
const READ_SIZE_BYTES = 256 * 1024;
const SECRET_LIMIT_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;
const FULL = "the disk is full";
/** Why a disk takes nothing, by the code of the system call. */
const DISK_FAULTS: Readonly<Record<string, string>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  EIO: "the disk fails",
  EROFS: "the disk is read-only",
};

/** Size and time of a file. */
export interface FileFacts {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** Makes the folder and its parents where they are missing; readable by the owner only, unless a mode is given. */
export async function ensureFolder(path: string, mode: number = PRIVATE_FOLDER_MODE): Promise<void> {
  await Deno.mkdir(path, { recursive: true, mode });
}

/** A folder for the time of one action; disposing it removes it with everything in it. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes a folder below the system's folder for temporary files; readable by the owner only. */
export async function temporaryFolder(prefix: string): Promise<TemporaryFolder> {
  const path = await Deno.makeTempDir({ prefix });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** What is known of a regular file, or `undefined` when there is none. A symbolic link is not followed and counts as none. */
export async function fileFacts(path: string): Promise<FileFacts | undefined> {
  const info = await infoOf(path);
  return info?.isFile ? { sizeBytes: info.size, modifiedMs: info.mtime?.getTime() ?? 0 } : undefined;
}

/** Whether a path is a symbolic link, wherever it leads; one that is not there is none. */
export async function isSymbolicLink(path: string): Promise<boolean> {
  return (await infoOf(path))?.isSymlink ?? false;
}

/** Whether there is anything under a name: a file, a folder, or a symbolic link, wherever it leads. */
export async function isTaken(path: string): Promise<boolean> {
  return await infoOf(path) !== undefined;
}

/** The whole of a small file, or `undefined` when there is none. @throws {TooLargeError} past `limitBytes`. */
export async function readSmallFile(path: string, limitBytes: number): Promise<Bytes | undefined> {
  const facts = await fileFacts(path);
  if (facts === undefined) return undefined;
  if (facts.sizeBytes > limitBytes) throw new TooLargeError(`"${path}" is larger than ${limitBytes} bytes`, limitBytes);
  return await collect(await openFile(path), limitBytes, `"${path}"`);
}

/**
 * A secret, without the line break at its end.
 * @throws {ConfigurationError} when it is missing, or others than its owner may read it
 */
export async function readSecretFile(path: string): Promise<Bytes> {
  const bytes = await readPrivateBytes(path, SECRET_LIMIT_BYTES);
  if (bytes === undefined) {
    throw new ConfigurationError([`Cannot read the secret file "${path}": there is no such file`]);
  }
  return bytes.at(-1) === LINE_FEED ? bytes.slice(0, -1) : bytes;
}

/**
 * All bytes of a secret, which may lie behind a link as in {@link readNamedFile}; `undefined` when there is nothing under that name.
 * @throws {ConfigurationError} others than its owner may read it, or it is another thing than a file
 */
export async function readPrivateBytes(path: string, limitBytes: number): Promise<Bytes | undefined> {
  const file = await readNamedFile(path, limitBytes);
  if (file !== undefined) checkPrivate(path, file.mode);
  return file?.bytes;
}

/** @throws {ConfigurationError} when others than its owner may read a file */
export async function requirePrivate(path: string): Promise<void> {
  checkPrivate(path, (await Deno.stat(path)).mode ?? 0);
}

function checkPrivate(path: string, mode: number): void {
  if ((mode & 0o077) === 0) return;
  throw new ConfigurationError([`The secret file "${path}" can be read by others: chmod 600 "${path}"`]);
}

/**
 * Bytes `[start, end)` of a file as a stream; the file is closed at the end, on an error and on cancel.
 * @throws {NotFoundError} when there is no such file.
 */
export async function openFile(path: string, start = 0, end = Infinity): Promise<ByteStream> {
  const file = await openForRead(path);
  if (start > 0) await file.seek(start, Deno.SeekMode.Start);
  return streamOfFile(file, end - start);
}

/**
 * A whole file as a stream, with the size of exactly the file that was opened: a replacement by rename does not mix in.
 * @throws {NotFoundError} when there is no such file, or a folder, a pipe or a device has its name: opening a pipe would wait for
 * ever.
 */
export async function openWholeFile(path: string): Promise<{ readonly sizeBytes: number; readonly body: ByteStream }> {
  const facts = await Deno.stat(path).catch(() => undefined); // opening it says why
  if (facts !== undefined && !facts.isFile) throw new NotFoundError(`Cannot read "${path}": it is not a file`);
  const file = await openForRead(path);
  const { size } = await file.stat();
  return { sizeBytes: size, body: streamOfFile(file, size) };
}

function streamOfFile(file: Deno.FsFile, sizeBytes: number): ByteStream {
  let left = sizeBytes;
  return byteStream(async () => {
    const buffer = new Uint8Array(Math.min(READ_SIZE_BYTES, left));
    const count = left > 0 ? await file.read(buffer) : null;
    if (count === null) return void file.close();
    left -= count;
    return buffer.subarray(0, count);
  }, () => file.close());
}

async function openForRead(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new NotFoundError(`Cannot read "${path}": there is no such file`, { cause: error });
    }
    throw error;
  }
}

/** Writes bytes over those at a place of a file that is there, and flushes it. */
export async function patchFile(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  using file = await openRegular(path, { create: false });
  await file.seek(offset, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.byteLength;) done += await file.write(bytes.subarray(done));
  await file.syncData();
}

/** Moves a file to another name in its folder, in one step that survives a power cut; what had that name is gone. */
export async function moveFile(from: string, to: string): Promise<void> {
  await Deno.rename(from, to);
  await syncFolder(dirname(to));
}

/** Removes a file and flushes its folder; no error when it is not there. */
export async function removeFile(path: string): Promise<void> {
  if (removeIfThere(path)) await syncFolder(dirname(path));
}

/** Names of the regular files in a folder, sorted; none when there is no such folder. */
export async function listFiles(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) if (entry.isFile) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

/** Names of the folders in a folder, sorted; none when there is no such folder. */
export async function listFolders(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) if (entry.isDirectory) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

/**
 * Locks a file for this process alone until it is disposed or the process ends, however it ends. The file stays.
 * Returns `undefined` when somebody else holds it.
 */
export async function lockFile(path: string, { create = true } = {}): Promise<Disposable | undefined> {
  const file = await openRegular(path, { create });
  if (await file.tryLock(true)) return { [Symbol.dispose]: () => file.close() };
  file.close();
  return undefined;
}

/** Makes what was made, renamed and removed in a folder survive a power cut. @throws {DiskFullError}, {DiskFailedError} */
export async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path, { read: true });
  try {
    await folder.sync();
  } catch (error) {
    throw diskErrorOr(error, path);
  }
}

/** Removes a file at once. @returns whether it was there */
export function removeIfThere(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The error of a write: {@link DiskFullError} or {@link DiskFailedError} where the disk is to blame. */
export function diskErrorOr(error: unknown, path: string): unknown {
  const reason = DISK_FAULTS[error instanceof Error && "code" in error ? String(error.code) : ""];
  if (reason === undefined) return error;
  const ErrorClass = reason === FULL ? DiskFullError : DiskFailedError;
  return new ErrorClass(`Cannot write "${path}": ${reason}`, { cause: error });
}
