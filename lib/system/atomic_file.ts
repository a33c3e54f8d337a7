import { dirname, join } from "node:path";
import { type ByteStream, consume } from "../streams.ts";
import { diskErrorOr, ensureFolder, listFiles, lockFile, removeIfThere, syncFolder } from "./files.ts";

const PRIVATE_FILE_MODE = 0o600;
const PUBLIC_FILE_MODE = 0o644;
/** A temporary file of ours, and of nobody else. */
const TEMPORARY_NAME = /^\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.partial$/;

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

/** The same for a file that everybody may read (0644), whatever the process's own mask is. */
export async function writePublicFile(path: string, bytes: Uint8Array): Promise<void> {
  using file = await AtomicFile.create(path);
  file.write(bytes);
  file.setMode(PUBLIC_FILE_MODE);
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

/** Writes a stream into a file, in the way of {@link AtomicFile}; on any error nothing is left and the source is cancelled. */
export async function writeStream(path: string, stream: ByteStream): Promise<void> {
  using file = await AtomicFile.create(path);
  await consume(stream, (chunk) => file.append(chunk));
  await file.commit();
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
    if (await isAbandoned(path) && removeIfThere(path)) count++;
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
    removeIfThere(path);
  } catch {
    return;
  }
}
