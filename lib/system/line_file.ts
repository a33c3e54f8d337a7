import { utf8 } from "../bytes.ts";
import { ConfigurationError } from "../errors.ts";
import { infoOfSync } from "./file_info.ts";

const PRIVATE_FILE_MODE = 0o600;
const PRIVATE_FOLDER_MODE = 0o700;
const OTHERS = 0o077;
const OTHER_WRITERS = 0o022;
const LINE_FEED = 0x0a;

/**
 * Makes a folder for its owner only where it is missing. One that is there stays as it is.
 * @throws {ConfigurationError} it is a file, or others may write into it: they could put links there
 */
export function ensureLineFolder(path: string): void {
  const info = infoOfSync(path, Deno.statSync);
  if (info === undefined) return Deno.mkdirSync(path, { recursive: true, mode: PRIVATE_FOLDER_MODE });
  if (!info.isDirectory) throw new ConfigurationError([`Cannot keep logs in "${path}": it is not a folder`]);
  if (((info.mode ?? 0) & OTHER_WRITERS) === 0) return;
  throw new ConfigurationError([`Cannot keep logs in "${path}": others may write into it; chmod 700 "${path}"`]);
}

/** Names and sizes of the regular files in a folder. A symbolic link is none. */
export function regularFiles(folder: string): { readonly name: string; readonly sizeBytes: number }[] {
  return [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile).map(({ name }) => ({
    name,
    sizeBytes: infoOfSync(`${folder}/${name}`)?.size ?? 0,
  }));
}

/**
 * A file for its owner only, to which whole lines are appended, at once and by several processes. A line that was cut off, by a full
 * disk or a crash, is ended before the next one: it spoils no other.
 */
export class LineFile implements Disposable {
  readonly #file: Deno.FsFile;
  #isTorn: boolean;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
    this.#isTorn = isCutOff(file);
  }

  /** @throws {ConfigurationError} the name is taken by a link, a folder or a pipe */
  static open(path: string): LineFile {
    const info = infoOfSync(path);
    if (info?.isFile === false) throw new ConfigurationError([`Cannot write "${path}": it is not a regular file`]);
    if (((info?.mode ?? 0) & OTHERS) !== 0) Deno.chmodSync(path, PRIVATE_FILE_MODE);
    return new LineFile(Deno.openSync(path, { read: true, append: true, create: true, mode: PRIVATE_FILE_MODE }));
  }

  /** Bytes in the file; `undefined` when it was removed meanwhile. */
  get sizeBytes(): number | undefined {
    const { size, nlink } = this.#file.statSync();
    return nlink === 0 ? undefined : size;
  }

  /** Appends a line that ends with its line feed. */
  append(line: string): void {
    const bytes = utf8(this.#isTorn ? `\n${line}` : line);
    this.#isTorn = true;
    for (let offset = 0; offset < bytes.byteLength;) offset += this.#file.writeSync(bytes.subarray(offset));
    this.#isTorn = false;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function isCutOff(file: Deno.FsFile): boolean {
  if (file.statSync().size === 0) return false;
  file.seekSync(-1, Deno.SeekMode.End);
  const last = new Uint8Array(1);
  return file.readSync(last) === 1 && last[0] !== LINE_FEED;
}
