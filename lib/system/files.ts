import { dirname, join } from "node:path";
import type { Bytes } from "../bytes.ts";
import { ConfigurationError, DiskFailedError, DiskFullError, NotFoundError, TooLargeError } from "../errors.ts";
import { type ByteStream, byteStream, collect, consume } from "../streams.ts";
import { readNamedFile } from "./named_file.ts";
import { openRegular } from "./regular_file.ts";

const PRIVATE_FILE_MODE = 0o600;
const PUBLIC_FILE_MODE = 0o644;
const PRIVATE_FOLDER_MODE = 0o700;
const READ_SIZE_BYTES = 256 * 1024;
const SECRET_LIMIT_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;
/** A temporary file of ours, and of nobody else. */
const TEMPORARY_NAME = /^\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.partial$/;

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
  try {
    const info = await Deno.lstat(path);
    return info.isFile ? { sizeBytes: info.size, modifiedMs: info.mtime?.getTime() ?? 0 } : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

/** Whether a path is a symbolic link, wherever it leads; one that is not there is none. */
export async function isSymbolicLink(path: string): Promise<boolean> {
  try {
    return (await Deno.lstat(path)).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether there is anything under a name: a file, a folder, or a symbolic link, wherever it leads. */
export async function isTaken(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
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

/**
 * A file that appears under its name whole or not at all: written beside it under a temporary name (mode 0600, unless
 * another is given), then flushed, renamed, and its folder flushed. Disposing an uncommitted file removes it. It is locked
 * while its writer lives, for {@link sweepPartialFiles}.
 */
export class AtomicFile implements Disposable {
  readonly path: string;
  readonly temporaryPath: string;
  readonly #file: Deno.FsFile;
  #state: "open" | "done" = "open";

  private constructor(path: string, temporaryPath: string, file: Deno.FsFile) {
    this.path = path;
    this.temporaryPath = temporaryPath;
    this.#file = file;
  }

  /** Opens the temporary file; makes the folder where it is missing. @throws {DiskFullError} */
  static async create(path: string, mode: number = PRIVATE_FILE_MODE): Promise<AtomicFile> {
    const temporaryPath = join(dirname(path), `.${crypto.randomUUID()}.partial`);
    try {
      await ensureFolder(dirname(path));
      const file = Deno.openSync(temporaryPath, { write: true, createNew: true, mode });
      lockQuietly(file);
      return new AtomicFile(path, temporaryPath, file);
    } catch (error) {
      throw diskErrorOr(error, path);
    }
  }

  /** Appends all of `bytes`. @throws {DiskFullError} */
  write(bytes: Uint8Array): void {
    try {
      for (let offset = 0; offset < bytes.byteLength;) offset += this.#file.writeSync(bytes.subarray(offset));
    } catch (error) {
      throw diskErrorOr(error, this.path);
    }
  }

  /** Appends all of `bytes` while the process goes on; one call at a time. @throws {DiskFullError} */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let offset = 0; offset < bytes.byteLength;) offset += await this.#file.write(bytes.subarray(offset));
    } catch (error) {
      throw diskErrorOr(error, this.path);
    }
  }

  /** Gives the file exactly this mode, whatever the process's own mask is. */
  setMode(mode: number): void {
    Deno.chmodSync(this.temporaryPath, mode);
  }

  /** Makes the file durable and gives it its name, or another one on the same file system. @throws {DiskFullError} */
  async commit(path: string = this.path): Promise<void> {
    try {
      await ensureFolder(dirname(path));
      await this.#file.sync();
      await Deno.rename(this.temporaryPath, path);
    } catch (error) {
      throw diskErrorOr(error, path);
    }
    this.#state = "done";
    this.#file.close();
    await syncFolder(dirname(path));
  }

  /** The same, unless there is something under that name already. @returns whether it has got its name */
  async commitNew(): Promise<boolean> {
    try {
      await this.#file.sync();
      await linkOrMove(this.temporaryPath, this.path);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw diskErrorOr(error, this.path);
    }
    this[Symbol.dispose]();
    await syncFolder(dirname(this.path));
    return true;
  }

  [Symbol.dispose](): void {
    if (this.#state === "done") return;
    this.#state = "done";
    closeQuietly(this.#file);
    removeOrLeave(this.temporaryPath);
  }
}

/** FAT has no links: there the name is taken by an empty file, which a power cut may leave. @throws {Deno.errors.AlreadyExists} */
async function linkOrMove(from: string, to: string): Promise<void> {
  try {
    await Deno.link(from, to);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotCapable) throw error;
    (await Deno.open(to, { write: true, createNew: true })).close();
    await Deno.rename(from, to);
  }
}

/** Writes a small file whole, in the way of {@link AtomicFile}. */
export async function writeSmallFile(path: string, bytes: Uint8Array): Promise<void> {
  using file = await AtomicFile.create(path);
  file.write(bytes);
  await file.commit();
}

/** Writes a small file under a name that nothing has. @returns whether it did: of several at once one does */
export async function writeNewFile(
  path: string,
  bytes: Uint8Array,
  mode: number = PRIVATE_FILE_MODE,
): Promise<boolean> {
  using file = await AtomicFile.create(path);
  file.write(bytes);
  file.setMode(mode);
  return await file.commitNew();
}

/** The same for a file that everybody may read (0644), whatever the process's own mask is. */
export async function writePublicFile(path: string, bytes: Uint8Array): Promise<void> {
  using file = await AtomicFile.create(path);
  file.write(bytes);
  await Deno.chmod(file.temporaryPath, PUBLIC_FILE_MODE);
  await file.commit();
}

/** Writes a stream into a file, in the way of {@link AtomicFile}; on any error nothing is left and the source is cancelled. */
export async function writeStream(path: string, stream: ByteStream): Promise<void> {
  using file = await AtomicFile.create(path);
  await consume(stream, (chunk) => file.append(chunk));
  await file.commit();
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
  if (removeQuietly(path)) await syncFolder(dirname(path));
}

/**
 * Removes the temporary files in a folder that a killed process has left: nobody holds their locks. Those of processes that
 * live stay. Returns how many there were.
 */
export async function sweepPartialFiles(folder: string): Promise<number> {
  let count = 0;
  for (const name of await listFiles(folder)) {
    if (!TEMPORARY_NAME.test(name)) continue;
    const path = join(folder, name);
    if (await isAbandoned(path) && removeQuietly(path)) count++;
  }
  return count;
}

async function isAbandoned(path: string): Promise<boolean> {
  try {
    const lock = await lockFile(path, { create: false });
    lock?.[Symbol.dispose]();
    return lock !== undefined;
  } catch {
    return false; // gone, another user's, or on a file system without locks: not ours to remove
  }
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

/** On a file system without locks the file can be written all the same; it is not swept then. */
function lockQuietly(file: Deno.FsFile): void {
  try {
    file.tryLockSync(true);
  } catch {
    return;
  }
}

function closeQuietly(file: Deno.FsFile): void {
  try {
    file.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // closed already
  }
}

/** On a disk that has failed or is read-only by now it stays, and is swept later: the error that led here is the one to tell. */
function removeOrLeave(path: string): void {
  try {
    removeQuietly(path);
  } catch {
    return;
  }
}

function removeQuietly(path: string): boolean {
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
