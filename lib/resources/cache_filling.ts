import type { Bytes } from "../bytes.ts";
import type { BigPartCache, BigPartWriter, ResourceName } from "../cdn/cached.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";

/** What a download is copied with. */
export interface CacheFillingDeps {
  readonly cache: BigPartCache;
  readonly log: Logger;
}

/**
 * Copies a download into the cache. A cache that cannot take it (a full disk, a read-only one) is logged, and keeps the
 * resource from nobody: no method fails.
 */
export class CacheFilling {
  readonly #deps: CacheFillingDeps;
  readonly #resource: ResourceName;
  #writer: BigPartWriter | undefined;

  private constructor(deps: CacheFillingDeps, resource: ResourceName) {
    this.#deps = deps;
    this.#resource = resource;
  }

  /** Begins; nothing is in the cache before {@link finish}. */
  static async start(deps: CacheFillingDeps, resource: ResourceName, sizeBytes: number): Promise<CacheFilling> {
    const filling = new CacheFilling(deps, resource);
    try {
      filling.#writer = await deps.cache.create(sizeBytes);
    } catch (error) {
      filling.#giveUp(error);
    }
    return filling;
  }

  /** Takes the next bytes. */
  write(chunk: Bytes): void {
    try {
      this.#writer?.write(chunk);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  /** All bytes have come and were right. The cache is changed behind the caller. */
  finish(pairing: { smallSha256: string; etag: string }): void {
    const writer = this.#writer;
    this.#writer = undefined;
    if (writer === undefined) return;
    this.#deps.cache.later(this.#resource, async () => {
      try {
        await writer.commit(this.#resource, pairing);
      } catch (error) {
        logUnchanged(this.#deps.log, this.#resource, error);
        writer[Symbol.dispose]();
      }
    });
  }

  /** Nothing more comes; what was written is removed. */
  drop(): void {
    this.#writer?.[Symbol.dispose]();
    this.#writer = undefined;
  }

  #giveUp(error: unknown): void {
    logUnchanged(this.#deps.log, this.#resource, error);
    this.drop();
  }
}

/** Logs why the cache stayed as it was. */
export function logUnchanged(log: Logger, { folder, name }: ResourceName, error: unknown): void {
  log.warning("cache_not_changed", { folder, name, why: messageOf(error) });
}
