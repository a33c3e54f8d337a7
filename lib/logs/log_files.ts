import { join } from "node:path";
import { ConfigurationError, messageOf } from "../errors.ts";
import type { Fields } from "../log.ts";
import { removeIfThere } from "../system/files.ts";
import { ensureLineFolder, LineFile, regularFiles } from "../system/line_file.ts";
import { dayOf, daysBetween, inOrder, type LogName, logName, parseLogName } from "./log_name.ts";

const FILE_LIMIT_BYTES = 16 * 1024 * 1024;
const TOTAL_LIMIT_BYTES = 1024 * 1024 * 1024;

/** How much is kept. */
export interface LogLimits {
  /** Size after which the next file of the day is begun. */
  readonly fileBytes: number;
  /** All files of the program together; the oldest goes first. */
  readonly totalBytes: number;
}

/** What log files are made with. */
export interface LogFilesOptions {
  /** First part of the names: only files of this program are ever removed. */
  readonly program: string;
  /** Days after which a file is removed. */
  readonly retentionDays: number;
  readonly now: () => number;
  /** Told once when lines are lost, and once when they are no more. */
  readonly tell: (event: string, fields: Fields) => void;
  readonly limits?: LogLimits;
}

interface OwnFile {
  readonly name: LogName;
  readonly sizeBytes: number;
}

/** The file that is written to. */
interface Current {
  readonly name: LogName;
  readonly file: LineFile;
}

/**
 * Lines in files of one day each, below a folder, for their owner only. Nothing is queued: a line is in the file when
 * {@link write} returns, or lost. It never throws: a full or read-only disk stops no service.
 */
export class LogFiles implements Disposable {
  readonly #folder: string;
  readonly #options: LogFilesOptions;
  readonly #limits: LogLimits;
  #current: Current | undefined;
  #lostLines = 0;
  #isTold = false;

  private constructor(folder: string, options: LogFilesOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#limits = options.limits ?? { fileBytes: FILE_LIMIT_BYTES, totalBytes: TOTAL_LIMIT_BYTES };
  }

  /** @throws {ConfigurationError} the folder is none, or others may write into it; a disk that is full or read-only is told only */
  static open(folder: string, options: LogFilesOptions): LogFiles {
    const files = new LogFiles(folder, options);
    try {
      files.#begin(dayOf(options.now()));
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      files.#tellLoss(error);
    }
    return files;
  }

  /** Appends a line that ends with its line feed. */
  write(line: string): void {
    try {
      this.#fileOf(dayOf(this.#options.now())).append(line);
    } catch (error) {
      this.#lostLines++;
      this.#tellLoss(error);
      return this[Symbol.dispose](); // opened anew for the next line
    }
    if (this.#lostLines > 0) this.#options.tell("log_file_again", { folder: this.#folder, lostLines: this.#lostLines });
    this.#lostLines = 0;
    this.#isTold = false;
  }

  [Symbol.dispose](): void {
    this.#current?.file[Symbol.dispose]();
    this.#current = undefined;
  }

  #fileOf(day: string): LineFile {
    const current = this.#current;
    const isGood = current?.name.day === day && (current.file.sizeBytes ?? Infinity) < this.#limits.fileBytes;
    return current !== undefined && isGood ? current.file : this.#begin(day);
  }

  /** The last file of the day goes on, unless it is full. */
  #begin(day: string): LineFile {
    this[Symbol.dispose]();
    ensureLineFolder(this.#folder);
    const own = this.#ownFiles();
    const last = own.filter(({ name }) => name.day === day).at(-1);
    const index = last === undefined ? 0 : last.name.index + (last.sizeBytes < this.#limits.fileBytes ? 0 : 1);
    const name = { program: this.#options.program, day, index };
    this.#current = { name, file: LineFile.open(join(this.#folder, logName(name))) };
    this.#prune(own, this.#current.name);
    return this.#current.file;
  }

  /** What is too old, and the oldest of what is too much; never the file that is written to. */
  #prune(own: readonly OwnFile[], current: LogName): void {
    let totalBytes = own.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const { name, sizeBytes } of own.filter((file) => inOrder(file.name, current) !== 0)) {
      const isOld = daysBetween(name.day, current.day) > this.#options.retentionDays;
      if (!isOld && totalBytes <= this.#limits.totalBytes) continue;
      try {
        removeIfThere(join(this.#folder, logName(name)));
        totalBytes -= sizeBytes;
      } catch (error) {
        this.#options.tell("log_file_stays", { file: logName(name), error: messageOf(error) });
      }
    }
  }

  #ownFiles(): OwnFile[] {
    return regularFiles(this.#folder).flatMap(({ name, sizeBytes }) => {
      const parsed = parseLogName(name, this.#options.program);
      return parsed === undefined ? [] : [{ name: parsed, sizeBytes }];
    }).sort((one, other) => inOrder(one.name, other.name));
  }

  #tellLoss(error: unknown): void {
    if (!this.#isTold) this.#options.tell("log_file_failed", { folder: this.#folder, error: messageOf(error) });
    this.#isTold = true;
  }
}
