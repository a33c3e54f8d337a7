import { type Bytes, release } from "../bytes.ts";
import type { LoadSource } from "../cdn/media.ts";
import { type BigPart, checkUnitHash, unitEnd } from "../crypto/open_units.ts";
import { unitStart } from "../crypto/unit_layout.ts";
import { DiskFailedError, DiskFullError, InterruptedError, TallyError } from "../errors.ts";
import type { RandomReader } from "../system/random_reader.ts";
import type { UnitSource } from "./unit_sources.ts";

/** Units that are kept in memory for one reader of a download, from the one on that it asks for next. */
const KEPT_UNITS = 4;
/** A reader that is further behind is slow: the download does not wait for it. */
const FAR_BEHIND_UNITS = 64;

/** A download, as its readers see it. */
export interface Followed {
  /** With the list by which units were compared as they came. */
  readonly big: BigPart;
  readonly hashes: Bytes;
  readonly from: LoadSource;
  /** Why the units that are missing will not come. */
  readonly failure: { readonly error: unknown } | undefined;
  /** Whether a unit is in the file. */
  isThere(index: number): boolean;
  /** What a reader has or waits for has changed. */
  changed(): void;
  /** A reader has gone. */
  leave(reader: FollowedUnits): void;
}

/**
 * The units of a download, in order, for one reader: from memory when they have just come, else read back from the file and compared once more,
 * since what lies on a disk is not believed. A slow reader holds no more than these few in memory, while the download goes on into the file.
 * When the cache fails (a full disk), there are no units any more: they are to be had elsewhere.
 */
export class FollowedUnits implements UnitSource {
  readonly name: LoadSource;
  readonly isChecked = true;
  readonly #download: Followed;
  readonly #file: RandomReader;
  readonly #kept = new Map<number, Bytes>();
  #next = 0;
  #arrival: PromiseWithResolvers<Bytes> | undefined;
  #isLost = false;
  #hasLeft = false;

  /** @param file of the download; closed in the end */
  constructor(download: Followed, file: RandomReader) {
    this.name = download.from;
    this.#download = download;
    this.#file = file;
  }

  /** Whether the cache has failed. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Whether as many units are at hand as are kept, and it may still catch up. */
  get isBehind(): boolean {
    let lead = 0;
    while (lead < FAR_BEHIND_UNITS && this.#download.isThere(this.#next + lead)) lead++;
    return lead >= KEPT_UNITS && lead < FAR_BEHIND_UNITS;
  }

  /** Whether it waits for a unit that is not there yet. */
  get isStarved(): boolean {
    return this.#arrival !== undefined;
  }

  has(): boolean {
    return !this.#isLost;
  }

  async read(index: number, signal: AbortSignal): Promise<Bytes> {
    if (this.#hasLeft || signal.aborted) throw new InterruptedError();
    this.#next = index;
    const unit = await this.#unit(index, signal);
    this.#next = index + 1;
    this.#download.changed();
    return unit;
  }

  /** Whether it waits for just this unit. */
  awaits(index: number): boolean {
    return this.isStarved && index === this.#next;
  }

  /** Whether it will soon ask for a unit that has just come. */
  wants(index: number): boolean {
    return index >= this.#next && index < this.#next + KEPT_UNITS;
  }

  /** Gives it a unit, with its memory. */
  give(index: number, unit: Bytes): void {
    if (this.awaits(index)) this.#arrival?.resolve(unit);
    else this.#kept.set(index, unit);
  }

  /** What is not there will not come. */
  fail(error: unknown): void {
    this.#arrival?.reject(error);
  }

  /** Gives the rest up; once more changes nothing. */
  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.fail(new InterruptedError());
    for (const unit of this.#kept.values()) release(unit);
    this.#kept.clear();
    this.#file[Symbol.dispose]();
    this.#download.leave(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.leave();
    return Promise.resolve();
  }

  async #unit(index: number, signal: AbortSignal): Promise<Bytes> {
    const kept = this.#kept.get(index);
    this.#kept.delete(index);
    if (kept !== undefined) return kept;
    return this.#download.isThere(index) ? await this.#readBack(index) : await this.#awaited(signal);
  }

  async #readBack(index: number): Promise<Bytes> {
    const { big, hashes } = this.#download;
    const offset = unitStart(big.layout, index);
    try {
      const unit = await this.#file.readAt(offset, unitEnd(big, index) - offset);
      checkUnitHash(hashes, index, unit);
      return unit;
    } catch (error) {
      throw this.#lose(error);
    }
  }

  async #awaited(signal: AbortSignal): Promise<Bytes> {
    const { failure } = this.#download;
    if (failure !== undefined) throw this.#loseOfCache(failure.error);
    this.#arrival = Promise.withResolvers();
    const leave = () => this.leave();
    signal.addEventListener("abort", leave, { once: true });
    this.#download.changed();
    try {
      return await this.#arrival.promise;
    } catch (error) {
      throw this.#loseOfCache(error);
    } finally {
      signal.removeEventListener("abort", leave);
      this.#arrival = undefined;
    }
  }

  #loseOfCache(error: unknown): unknown {
    return isOfCache(error) ? this.#lose(error) : error;
  }

  /** Nobody has to wait for this reader any more. */
  #lose(error: unknown): unknown {
    if (this.#hasLeft) return new InterruptedError(); // its file was closed under it
    this.#isLost = true;
    this.leave();
    return error;
  }
}

/** Whether it is the cache that cannot take or give what comes, so that it may be had without. */
export function isOfCache(error: unknown): boolean {
  return error instanceof DiskFullError || error instanceof DiskFailedError || !(error instanceof TallyError);
}
