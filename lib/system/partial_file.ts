import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import type { Bytes } from "../bytes.ts";
import { ConflictError } from "../errors.ts";
import { collect } from "../streams.ts";
import { infoOfSync } from "./file_info.ts";
import { diskErrorOr, ensureFolder, openFile, removeIfThere, syncFolder } from "./files.ts";
import { RandomReader } from "./random_reader.ts";

const PRIVATE_FILE_MODE = 0o600;
const NAME_LIMIT_BYTES = 255;
const PARTIAL_ENDING = ".part";
const JOURNAL_ENDING = ".part.journal";
const encoder = new TextEncoder();

/**
 * A file that is written in any order and over several runs of the program, beside the place where it will stand: the bytes
 * in `.<name>.part`, what is known of them in the lines of `.<name>.part.journal`. One process has it at a time. Closing it
 * leaves both for the next run. Nothing is written through a symbolic link.
 */
export class PartialFile implements Disposable {
  readonly path: string;
  readonly #data: string;
  readonly #journal: string;
  readonly #file: Deno.FsFile;
  readonly #reader: RandomReader;
  #lines: Deno.FsFile | undefined;
  #isOpen = true;

  private constructor(path: string, { data, journal }: Names, file: Deno.FsFile) {
    this.path = path;
    this.#data = data;
    this.#journal = journal;
    this.#file = file;
    this.#reader = RandomReader.open(data);
  }

  /**
   * Opens what a run before has left, or begins; makes the folder where it is missing.
   * @param mode of the file; the process's own mask is taken off
   * @throws {ConflictError} another process has it, or what has its name is not a regular file; {DiskFullError}
   */
  static async open(path: string, mode: number = PRIVATE_FILE_MODE): Promise<PartialFile> {
    const names = namesOf(path);
    await ensureFolder(dirname(path));
    for (;;) {
      const file = openOwn(names.data, path, mode);
      try {
        if (!await lock(file)) {
          throw new ConflictError(`Cannot download to "${path}": another download of it is running`);
        }
        if (isStillAt(names.data, file)) return new PartialFile(path, names, file);
      } catch (error) {
        file.close(); // what stays open stays locked
        throw error;
      }
      file.close(); // the process before us has finished it meanwhile
    }
  }

  /** Removes the journal of a file that has got its name, which a process that was killed in that moment has left. */
  static tidy(path: string): void {
    const { data, journal } = namesOf(path);
    try {
      if (!isThere(data)) removeIfThere(journal);
    } catch {
      return; // it is of no use, and does no harm
    }
  }

  /** The journal of the runs before, cut off at `limitBytes`; empty when there is none. */
  async journalText(limitBytes: number): Promise<string> {
    if (!isRegularFile(this.#journal)) return "";
    return new TextDecoder().decode(await collect(await openFile(this.#journal, 0, limitBytes), limitBytes));
  }

  /** Whether nothing was written yet, or all was given up. */
  get isEmpty(): boolean {
    return !this.#isOpen || this.#file.statSync().size === 0;
  }

  /** How many bytes there are, holes included. */
  get sizeBytes(): number {
    return this.#file.statSync().size;
  }

  /** Forgets everything: no bytes, no journal. */
  forget(): void {
    this.#lines?.close();
    this.#lines = undefined;
    removeIfThere(this.#journal);
    this.#file.truncateSync(0);
  }

  /** Writes all of `bytes` at a place. At once: two writers do not mix. @throws {DiskFullError} */
  writeAt(offset: number, bytes: Uint8Array): void {
    try {
      this.#file.seekSync(offset, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.byteLength;) done += this.#file.writeSync(bytes.subarray(done));
    } catch (error) {
      throw diskErrorOr(error, this.path);
    }
  }

  /** Adds a line to the journal; a line that a run before could not finish is ended first. @throws {DiskFullError} */
  append(line: string): void {
    try {
      const isFirst = this.#lines === undefined;
      this.#lines ??= openJournal(this.#journal);
      const bytes = encoder.encode(isFirst && this.#lines.statSync().size > 0 ? `\n${line}\n` : `${line}\n`);
      for (let done = 0; done < bytes.byteLength;) done += this.#lines.writeSync(bytes.subarray(done));
    } catch (error) {
      throw diskErrorOr(error, this.path);
    }
  }

  /** The bytes at a place; fewer at the end of the file. One call at a time. */
  async readAt(offset: number, sizeBytes: number): Promise<Bytes> {
    return await this.#reader.readAt(offset, sizeBytes);
  }

  /** A reader of one's own, for as long as one likes: it reads on when the file has got its name, and when it was removed. */
  openReader(): RandomReader {
    return RandomReader.open(this.#data, this.path);
  }

  /** Makes what was written so far survive a power cut: first the bytes, then the journal that tells of them. */
  async checkpoint(): Promise<void> {
    await this.#file.syncData();
    await this.#lines?.syncData();
  }

  /** Cuts the file to its size, makes it durable, and gives it its name; the journal goes. */
  async commit(sizeBytes: number): Promise<void> {
    try {
      this.#file.truncateSync(sizeBytes);
      await this.#file.sync();
      await Deno.rename(this.#data, this.path);
    } catch (error) {
      throw diskErrorOr(error, this.path);
    }
    removeIfThere(this.#journal);
    this[Symbol.dispose]();
    await syncFolder(dirname(this.path));
  }

  /** Removes the bytes and the journal: nothing in them is of use. */
  discard(): void {
    if (!this.#isOpen) return;
    removeIfThere(this.#journal);
    removeIfThere(this.#data);
    this[Symbol.dispose]();
  }

  /** Closes it; the next run goes on. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#lines?.close();
    this.#reader[Symbol.dispose]();
    this.#file.close();
  }
}

interface Names {
  readonly data: string;
  readonly journal: string;
}

/** A name that would be too long with the ending gives way to its digest. */
function namesOf(path: string): Names {
  const name = basename(path);
  const fits = encoder.encode(`.${name}${JOURNAL_ENDING}`).byteLength <= NAME_LIMIT_BYTES;
  const stem = join(dirname(path), `.${fits ? name : createHash("sha256").update(name).digest("hex")}`);
  return { data: `${stem}${PARTIAL_ENDING}`, journal: `${stem}${JOURNAL_ENDING}` };
}

/** What has the journal's name and is no file is not written through. */
function openJournal(path: string): Deno.FsFile {
  const isNew = !isRegularFile(path);
  return Deno.openSync(path, { append: true, ...(isNew ? { createNew: true, mode: PRIVATE_FILE_MODE } : {}) });
}

function openOwn(data: string, path: string, mode: number): Deno.FsFile {
  if (isThere(data) && !isRegularFile(data)) {
    throw new ConflictError(`Cannot download to "${path}": "${data}" is not a regular file`);
  }
  try {
    return Deno.openSync(data, { read: true, write: true, create: true, mode });
  } catch (error) {
    throw diskErrorOr(error, path);
  }
}

/** On a file system without locks the download goes on without one. */
async function lock(file: Deno.FsFile): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch {
    return true;
  }
}

function isStillAt(path: string, file: Deno.FsFile): boolean {
  const present = infoOfSync(path);
  const { ino, dev } = file.statSync();
  return present?.isFile === true && present.ino === ino && present.dev === dev;
}

function isRegularFile(path: string): boolean {
  return infoOfSync(path)?.isFile === true;
}

function isThere(path: string): boolean {
  return infoOfSync(path) !== undefined;
}
