import type { Bytes } from "../bytes.ts";
import type { ContentCache, ContentName } from "../cdn/content_cache.ts";
import type { BigPart } from "../crypto/open_units.ts";
import { unitStart } from "../crypto/unit_layout.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Turns } from "../system/turns.ts";

/** What mending needs. */
export interface CacheRepairDeps {
  readonly cache: ContentCache;
  /** What goes on in the cache behind a caller. */
  readonly pending: Turns;
  readonly log: Logger;
}

/** Units that wait for the disk. What comes while there are as many is mended by another load. */
const WAITING_UNITS = 4;

/** Mends a big part of the cache, behind the caller who met what was damaged. */
export class CacheRepair {
  readonly #deps: CacheRepairDeps;
  readonly #object: ContentName;
  readonly #big: BigPart;
  #waiting = 0;

  constructor(deps: CacheRepairDeps, object: ContentName, big: BigPart) {
    this.#deps = deps;
    this.#object = object;
    this.#big = big;
  }

  /** Takes a unit that is right; its bytes are copied. */
  mend(index: number, unit: Bytes): void {
    if (this.#waiting >= WAITING_UNITS) return;
    this.#waiting++;
    const { pending } = this.#deps;
    const { folder, key } = this.#object;
    const copy = unit.slice();
    void pending.take(`${folder}/${key}`, () => this.#write(index, copy));
  }

  async #write(index: number, unit: Bytes): Promise<void> {
    const { cache, log } = this.#deps;
    try {
      await cache.repair(this.#object, unitStart(this.#big.layout, index), unit);
    } catch (error) {
      log.warning("cache_not_changed", { ...this.#object, why: messageOf(error) });
    } finally {
      this.#waiting--;
    }
  }
}
