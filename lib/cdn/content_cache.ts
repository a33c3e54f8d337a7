import { join } from "node:path";
import type { Bytes } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";
import { AtomicFile, writeSmallFile } from "../system/atomic_file.ts";
import { fileFacts, isSymbolicLink, openFile, patchFile, readSmallFile } from "../system/files.ts";
import { PartialFile } from "../system/partial_file.ts";
import { openUsed } from "../system/used_files.ts";
import type { CacheQuota } from "./cache_quota.ts";
import { noteResource } from "./content_record.ts";
import { checkObjectName } from "./object_name.ts";
import type { ByteSource } from "./store.ts";

const STAGING_FOLDER = ".staging";

/** Which object of format v2: its key is made of the digest of its bytes. */
export interface ContentName {
  readonly folder: string;
  readonly key: string;
}

/**
 * Big parts of format v2 on this disk, at `<root>/<folder>/<key>`. What is here is as little believed as what comes from the CDN: every unit is
 * compared with the signed list when it is read. A download that was broken off stays beside its place, and is gone on with.
 */
export class ContentCache {
  readonly #root: string;
  readonly #quota: CacheQuota;

  /** @param quota makes room for what comes */
  constructor(root: string, quota: CacheQuota) {
    this.#root = root;
    this.#quota = quota;
  }

  /** A whole big part, or `undefined` when there is none. */
  async find(name: ContentName): Promise<ByteSource | undefined> {
    const path = await this.#path(name);
    const facts = await fileFacts(path);
    if (facts === undefined) return undefined;
    const { sizeBytes } = facts;
    PartialFile.tidy(path);
    await this.#quota.used(path);
    return { sizeBytes, open: (start = 0, end = sizeBytes) => openUsed(path, start, end) };
  }

  /**
   * What of a big part of `sizeBytes` came before, to be gone on with; or a beginning. Room for the rest is made first. `undefined` when somebody
   * has brought all of it meanwhile.
   * @throws {ConflictError} somebody else is at it; {DiskFullError}
   */
  async begin(name: ContentName, sizeBytes: number): Promise<PartialFile | undefined> {
    const path = await this.#path(name);
    const file = await PartialFile.open(path);
    try {
      if ((await fileFacts(path))?.sizeBytes === sizeBytes) return void file.discard();
      await this.#quota.makeRoom(Math.max(0, sizeBytes - file.sizeBytes));
      return file;
    } catch (error) {
      if (file.isEmpty) file.discard();
      file[Symbol.dispose]();
      throw error;
    }
  }

  /** Begins a file for an upload, whose name is not known yet. Dispose it. */
  async stage(): Promise<AtomicFile> {
    return await AtomicFile.create(join(await this.#folder(STAGING_FOLDER), crypto.randomUUID()));
  }

  /** What was written to a staged file. */
  stagedSource({ temporaryPath }: AtomicFile, sizeBytes: number): ByteSource {
    return { sizeBytes, open: (start = 0, end = sizeBytes) => openFile(temporaryPath, start, end) };
  }

  /** Gives a staged file its name. */
  async keep(file: AtomicFile, name: ContentName): Promise<void> {
    await file.commit(await this.#path(name));
  }

  /** Writes down that a whole big part is used as this resource, by whose name it is pinned and listed. */
  async note(name: ContentName, resource: string): Promise<void> {
    await noteResource(await this.#path(name), resource);
  }

  /** Writes bytes of a whole big part anew, which were damaged. */
  async repair(name: ContentName, offset: number, bytes: Bytes): Promise<void> {
    await patchFile(await this.#path(name), offset, bytes);
  }

  /** A small object, or `undefined`. @throws {TooLargeError} */
  async readSmall(name: ContentName, limitBytes: number): Promise<Bytes | undefined> {
    return await readSmallFile(await this.#path(name), limitBytes);
  }

  /** Writes a small object. */
  async writeSmall(name: ContentName, bytes: Bytes): Promise<void> {
    await writeSmallFile(await this.#path(name), bytes);
  }

  async #path({ folder, key }: ContentName): Promise<string> {
    return join(await this.#folder(checkObjectName("bucket", folder)), checkObjectName("key", key));
  }

  /** A sandbox follows links out of the folders that it allows: nothing here is read or written through one. */
  async #folder(name: string): Promise<string> {
    const path = join(this.#root, name);
    if (await isSymbolicLink(path)) {
      throw new IntegrityError(`Cannot use the cache folder "${path}": it is a symbolic link`);
    }
    return path;
  }
}
