import { join } from "node:path";
import { NotFoundError } from "../lib/errors.ts";
import type { ByteStream } from "../lib/streams.ts";
import { AtomicFile } from "../lib/system/atomic_file.ts";
import { listFiles, openWholeFile, removeFile } from "../lib/system/files.ts";

/** Where the resources of the empty folder lie: no folder can have this name. */
export const EMPTY_FOLDER = "_";

/**
 * The resources of the API as files `<root>/<folder>/<name>`. Folders and names have been checked. A resource is
 * replaced whole or not at all; who reads one goes on reading the one that was opened.
 */
export class ResourceStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Begins a new version of a resource; commit it to make it the present one, dispose it to drop it. */
  stage(folder: string, name: string): Promise<AtomicFile> {
    return AtomicFile.create(join(this.#folderPath(folder), name));
  }

  /** The resource with its exact size. @throws {NotFoundError} */
  async open(folder: string, name: string): Promise<{ readonly sizeBytes: number; readonly body: ByteStream }> {
    try {
      return await openWholeFile(join(this.#folderPath(folder), name));
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      throw new NotFoundError(`There is no resource "${name}" in the folder "${folder}"`);
    }
  }

  /** Names of the resources in a folder that contain `search` in any case, sorted. */
  async list(folder: string, search = ""): Promise<string[]> {
    const wanted = search.toLowerCase();
    const names = await listFiles(this.#folderPath(folder));
    return names.filter((name) => !name.startsWith(".") && name.toLowerCase().includes(wanted));
  }

  /** Removes all resources of a folder. */
  async clear(folder: string): Promise<void> {
    for (const name of await this.list(folder)) await removeFile(join(this.#folderPath(folder), name));
  }

  #folderPath(folder: string): string {
    return join(this.#root, folder === "" ? EMPTY_FOLDER : folder);
  }
}
