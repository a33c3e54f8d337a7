import type { Bytes } from "../bytes.ts";
import type { ContentCache, ContentName } from "../cdn/content_cache.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { PartialFile } from "../system/partial_file.ts";

/** What a download is copied with. */
export interface CacheDownloadDeps {
  readonly cache: ContentCache;
  readonly log: Logger;
}

/**
 * Copies a download of format v2 into the cache. What was written stays when the download breaks off, and the next one goes on behind it. A
 * cache that cannot take it (a full disk, another download of the same) is logged, and keeps the resource from nobody: no method fails.
 */
export class CacheDownload {
  readonly #log: Logger;
  readonly #name: ContentName;
  #file: PartialFile | undefined;

  private constructor(log: Logger, name: ContentName, file: PartialFile) {
    this.#log = log;
    this.#name = name;
    this.#file = file;
  }

  /** Begins, or goes on; `undefined` when the cache cannot take it. */
  static async start(
    { cache, log }: CacheDownloadDeps,
    name: ContentName,
    sizeBytes: number,
  ): Promise<CacheDownload | undefined> {
    try {
      return new CacheDownload(log, name, await cache.begin(name, sizeBytes));
    } catch (error) {
      log.warning("cache_not_changed", { ...name, why: messageOf(error) });
      return undefined;
    }
  }

  /** What came before. */
  get file(): PartialFile | undefined {
    return this.#file;
  }

  /** Takes a unit that is right. */
  write(offset: number, unit: Bytes): void {
    try {
      this.#file?.writeAt(offset, unit);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  /** All of it has come, when a size is given: it gets its name. Else what has come stays for the next time. */
  async end(sizeBytes: number | undefined): Promise<void> {
    try {
      if (sizeBytes !== undefined) await this.#file?.commit(sizeBytes);
    } catch (error) {
      this.#giveUp(error);
    }
    this.#file?.[Symbol.dispose]();
    this.#file = undefined;
  }

  #giveUp(error: unknown): void {
    this.#log.warning("cache_not_changed", { ...this.#name, why: messageOf(error) });
    this.#file?.[Symbol.dispose]();
    this.#file = undefined;
  }
}
