import type { Bytes } from "../bytes.ts";

/** Reads a file at any place. It stays the same file, whatever becomes of its name. Dispose it. */
export class RandomReader implements Disposable {
  readonly #file: Deno.FsFile;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /** Opens the first of these names that there is. */
  static open(path: string, ...others: readonly string[]): RandomReader {
    const [next, ...rest] = others;
    try {
      return new RandomReader(Deno.openSync(path, { read: true }));
    } catch (error) {
      if (next === undefined || !(error instanceof Deno.errors.NotFound)) throw error;
      return RandomReader.open(next, ...rest);
    }
  }

  /** The bytes at a place; fewer at the end of the file. One call at a time. */
  async readAt(offset: number, sizeBytes: number): Promise<Bytes> {
    await this.#file.seek(offset, Deno.SeekMode.Start);
    return await readUpTo(this.#file, sizeBytes);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** The bytes from where a file stands, `sizeBytes` of them; fewer at its end. */
export async function readUpTo(file: Deno.FsFile, sizeBytes: number): Promise<Bytes> {
  const bytes = new Uint8Array(sizeBytes);
  let filled = 0;
  while (filled < sizeBytes) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}
