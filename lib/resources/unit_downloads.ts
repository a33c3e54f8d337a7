import type { ContentCache } from "../cdn/content_cache.ts";
import { messageOf } from "../errors.ts";
import type { PartialFile } from "../system/partial_file.ts";
import type { Turns } from "../system/turns.ts";
import type { FollowedUnits } from "./followed_units.ts";
import { UnitDownload, type UnitDownloadDeps, type UnitDownloadJob } from "./unit_download.ts";

/** What downloads need. */
export interface UnitDownloadsDeps extends UnitDownloadDeps {
  readonly cache: ContentCache;
  /** What goes on in the cache behind a caller. */
  readonly pending: Turns;
}

/** The downloads into the cache that run in this process: whoever wants the same big part follows the one that runs. */
export class UnitDownloads {
  readonly #deps: UnitDownloadsDeps;
  readonly #running = new Map<string, Promise<UnitDownload | undefined>>();

  constructor(deps: UnitDownloadsDeps) {
    this.#deps = deps;
  }

  /**
   * The units of a big part while it comes into the cache. `undefined` when the cache cannot take it (a full disk, another process is at it, which
   * is logged), or has it by now.
   */
  async follow(job: UnitDownloadJob): Promise<FollowedUnits | undefined> {
    const place = `${job.object.folder}/${job.object.key}`;
    for (;;) {
      const running = this.#running.get(place) ?? this.#start(place, job);
      const download = await running;
      if (download === undefined || !download.isOf(job)) return undefined;
      try {
        const units = download.follow();
        if (units !== undefined) return units;
      } catch (error) {
        return this.#without(job, error);
      }
      await download.ended; // it has failed, or everybody had gone
    }
  }

  #without({ object }: UnitDownloadJob, error: unknown): undefined {
    this.#deps.log.warning("cache_not_changed", { ...object, why: messageOf(error) });
  }

  #start(place: string, job: UnitDownloadJob): Promise<UnitDownload | undefined> {
    const starting = this.#begin(job, () => this.#running.delete(place));
    this.#running.set(place, starting);
    void this.#deps.pending.take(place, async () => await (await starting)?.ended);
    return starting;
  }

  async #begin(job: UnitDownloadJob, forget: () => void): Promise<UnitDownload | undefined> {
    const file = await this.#beginFile(job);
    if (file === undefined) return void forget();
    const download = new UnitDownload(this.#deps, job, file);
    void download.ended.then(forget); // before anybody else hears of it
    return download;
  }

  async #beginFile(job: UnitDownloadJob): Promise<PartialFile | undefined> {
    try {
      return await this.#deps.cache.begin(job.object, job.big.sizeBytes);
    } catch (error) {
      return this.#without(job, error);
    }
  }
}
