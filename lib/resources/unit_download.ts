import { type Bytes, equalBytes } from "../bytes.ts";
import type { ContentName } from "../cdn/content_cache.ts";
import type { LoadSource } from "../cdn/media.ts";
import { type BigPart, hasUnitHash } from "../crypto/open_units.ts";
import { unitCount, unitStart } from "../crypto/unit_layout.ts";
import { IntegrityError, messageOf } from "../errors.ts";
import { downloadInto } from "../http/download.ts";
import type { SegmentLayout } from "../http/download_plan.ts";
import type { SegmentSink } from "../http/download_request.ts";
import type { RangeSource } from "../http/range_source.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../system/clock.ts";
import type { PartialFile } from "../system/partial_file.ts";
import { type Followed, FollowedUnits, isOfCache } from "./followed_units.ts";
import { LOAD_RETRY } from "./unit_sources.ts";

/** A big part, and where it is to be had. */
export interface UnitDownloadJob {
  readonly object: ContentName;
  /** For messages and log lines: `folder/name`. */
  readonly name: string;
  readonly big: BigPart;
  /** Of {@link big}; SHA-256 of every unit. */
  readonly hashes: Bytes;
  /** In order of preference. */
  readonly sources: readonly RangeSource[];
  /** What callers are told. */
  readonly from: LoadSource;
}

/** What a download is done with. */
export interface UnitDownloadDeps {
  readonly log: Logger;
  readonly clock: Clock;
}

/** How long a segment is held back at most. */
const HOLD_MS = 50;

interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

/**
 * A big part on its way into the cache, by ranges, and everybody who reads its units meanwhile. Each unit is compared with the signed list as
 * it arrives. It ends when nobody follows it any more; what has come stays for the next one. {@link ended} never fails.
 */
export class UnitDownload implements SegmentSink, Followed {
  readonly #job: UnitDownloadJob;
  readonly ended: Promise<void>;
  readonly #deps: UnitDownloadDeps;
  readonly #file: PartialFile;
  readonly #there: Uint8Array;
  readonly #followers = new Set<FollowedUnits>();
  readonly #stop = new AbortController();
  #missing: number;
  #failure: { readonly error: unknown } | undefined;
  #gate: Gate | undefined;

  /** Begins at once. The file is closed in the end. */
  constructor(deps: UnitDownloadDeps, job: UnitDownloadJob, file: PartialFile) {
    this.#job = job;
    this.#deps = deps;
    this.#file = file;
    this.#missing = unitCount(job.big.layout, job.big.sizeBytes);
    this.#there = new Uint8Array(this.#missing);
    this.ended = this.#run();
  }

  /** Whether it is of the same object by the same list: then what it has compared need not be compared again. */
  isOf({ big, hashes }: Pick<UnitDownloadJob, "big" | "hashes">): boolean {
    const own = this.#job;
    return own.big.layout === big.layout && own.big.sizeBytes === big.sizeBytes && equalBytes(own.hashes, hashes);
  }

  get big(): BigPart {
    return this.#job.big;
  }

  get hashes(): Bytes {
    return this.#job.hashes;
  }

  get from(): LoadSource {
    return this.#job.from;
  }

  /**
   * All units for one more reader; `undefined` when it has failed or is about to end.
   * @throws what the system says where the file cannot be opened once more
   */
  follow(): FollowedUnits | undefined {
    if (this.#failure !== undefined || this.#stop.signal.aborted) return undefined;
    try {
      const follower = new FollowedUnits(this, this.#file.openReader());
      this.#followers.add(follower);
      return follower;
    } finally {
      this.#endIfAlone();
    }
  }

  leave(follower: FollowedUnits): void {
    this.#followers.delete(follower);
    this.#endIfAlone();
    this.changed();
  }

  #endIfAlone(): void {
    if (this.#followers.size === 0 && this.#missing > 0) this.#stop.abort();
  }

  isThere(index: number): boolean {
    return this.#there[index] === 1;
  }

  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** A reader that keeps up goes first: what it takes from memory need not be read and hashed again. */
  ready(): Promise<void> | undefined {
    if (!this.#isHeldBack()) return undefined;
    this.#gate ??= this.#newGate();
    return this.#gate.opened;
  }

  changed(): void {
    if (this.#gate !== undefined && !this.#isHeldBack()) this.#gate.open();
  }

  #newGate(): Gate {
    const stop = new AbortController();
    const opened = this.#deps.clock.sleep(HOLD_MS, stop.signal).catch(() => undefined) // opened before
      .finally(() => this.#gate = undefined);
    return { opened, open: () => stop.abort() };
  }

  /** To everybody who waits for it, else to one who soon will: what is kept in memory does not grow with the number of readers. */
  take(index: number, unit: Bytes): boolean {
    this.#there[index] = 1;
    this.#missing--;
    const followers = [...this.#followers];
    const [first = followers.find((one) => one.wants(index)), ...others] = followers.filter((one) => one.awaits(index));
    for (const other of others) other.give(index, unit.slice());
    first?.give(index, unit);
    return first !== undefined;
  }

  #isHeldBack(): boolean {
    if (this.#failure !== undefined || this.#stop.signal.aborted) return false;
    const followers = [...this.#followers];
    return followers.some((follower) => follower.isBehind) && !followers.some((follower) => follower.isStarved);
  }

  async #run(): Promise<void> {
    const { log } = this.#deps;
    const { object } = this.#job;
    try {
      const { sizeBytes, fetchedBytes, reusedBytes } = await this.#download();
      log.info("big_part_cached", { ...object, sizeBytes, fetchedBytes, reusedBytes });
    } catch (error) {
      if (!this.#stop.signal.aborted && isOfCache(error)) {
        log.warning("cache_not_changed", { ...object, why: messageOf(error) });
      }
      this.#failure = { error: unitError(error) };
      for (const follower of [...this.#followers]) follower.fail(this.#failure.error);
      this.changed();
    } finally {
      this.#file[Symbol.dispose]();
    }
  }

  #download() {
    const { object: { key }, name, big, hashes, sources } = this.#job;
    const { log, clock } = this.#deps;
    return downloadInto(this.#file, {
      ...{ path: this.#file.path, name, identity: key, sources, sizeBytes: big.sizeBytes },
      ...segmentsOf(big),
      verify: (index, unit) => hasUnitHash(hashes, index, unit),
      sink: this,
    }, {
      ...{ clock, signal: this.#stop.signal, retry: LOAD_RETRY },
      onBadSegment: ({ index, source }) => log.warning("unit_wrong", { name, index, source }),
      onLostSource: ({ source, error }) => log.warning("unit_source_failed", { name, source, why: messageOf(error) }),
    });
  }
}

/** Units as segments: the first may have a header in front of what all of them have. */
function segmentsOf({ layout }: BigPart): SegmentLayout {
  const segmentBytes = unitStart(layout, 2) - unitStart(layout, 1);
  return { segmentBytes, leadBytes: unitStart(layout, 1) - segmentBytes };
}

/** A unit that no source has right is what the readers are told of in every other place. */
function unitError(error: unknown): unknown {
  if (!(error instanceof IntegrityError) || error.step !== undefined) return error;
  return new IntegrityError(error.message, { step: "unit-hash", cause: error });
}
