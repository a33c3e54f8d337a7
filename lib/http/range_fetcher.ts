import { crc32 } from "node:zlib";
import { type Bytes, release } from "../bytes.ts";
import { ConflictError, IntegrityError, RateLimitedError, UnavailableError } from "../errors.ts";
import { type ByteReader, byteReader } from "../streams.ts";
import type { PartialFile } from "../system/partial_file.ts";
import type { DigestFront } from "./digest_front.ts";
import { formatEntry } from "./download_journal.ts";
import { type DownloadPlan, isJournaled, type Run } from "./download_plan.ts";
import { DOWNLOAD_RETRY, type SegmentSink, type TransferOptions, type VerifySegment } from "./download_request.ts";
import { RangeCount } from "./range_count.ts";
import type { OpenedRange, RangeSource } from "./range_source.ts";
import { limitedStream } from "./rate_limit.ts";
import { isTransient, retryPauseMs, type RetryPolicy } from "./retry.ts";

/** The object has changed since the first of its bytes came. */
export class ChangedError extends ConflictError {}

const MAX_RANGES = 8;
const RUNS_PER_RANGE = 4;
const LEAST_RUN_SEGMENTS = 4;
const LARGEST_RUN_SEGMENTS = 64;
const CHECKPOINT_BYTES = 64 * 1024 * 1024;
const BAD_PER_SEGMENT = 4;
const BAD_PER_SOURCE = 3;

interface SourceState {
  readonly source: RangeSource;
  readonly bad: Set<number>;
  /** Why it is not used any more. */
  failure?: unknown;
}

/** What is fetched. */
export interface RangeFetch {
  readonly name: string;
  readonly plan: DownloadPlan;
  readonly file: PartialFile;
  readonly sources: readonly RangeSource[];
  /** The version that every range must be of; absent where the bytes themselves are known. */
  readonly etag: string | undefined;
  readonly verify: VerifySegment | undefined;
  readonly front: DigestFront | undefined;
  readonly sink: SegmentSink | undefined;
  /** What the first of the sources has begun to send already. */
  readonly begun: BegunRange | undefined;
}

/** A range from the first byte on that has been asked for before the size was known. */
export interface BegunRange {
  readonly opened: OpenedRange;
  /** End of what was asked for; the object may be shorter. */
  readonly endBytes: number;
}

/** Fetches all segments that a plan misses, by several ranges at a time, each with its own attempts. */
export class RangeFetcher {
  readonly #job: RangeFetch;
  readonly #options: TransferOptions;
  readonly #count: RangeCount;
  readonly #sources: readonly SourceState[];
  readonly #workers = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #badCounts = new Map<number, number>();
  readonly #signal: AbortSignal;
  #begun: BegunRange | undefined;
  /** The worker that reads the whole object, where the source knows no ranges. */
  #whole: Run | undefined;
  #failure: { readonly error: unknown } | undefined;
  #checkpoint: Promise<void> | undefined;
  #unsavedBytes = 0;
  /** Bytes that came over, used or not. */
  fetchedBytes = 0;

  constructor(job: RangeFetch, options: TransferOptions) {
    this.#job = job;
    this.#begun = job.begun;
    this.#options = options;
    this.#count = new RangeCount(options.maxRanges ?? MAX_RANGES);
    this.#sources = job.sources.map((source) => ({ source, bad: new Set() }));
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
  }

  /** @throws the error of the range that failed first; the others are ended then */
  async run(): Promise<void> {
    this.#grow();
    while (this.#workers.size > 0) {
      await Promise.race(this.#workers);
      this.#grow(); // two workers that end at once may both have thought that the other goes on
    }
    await this.#checkpoint;
    if (this.#failure !== undefined) throw this.#failure.error;
    const { plan, name } = this.#job;
    if (plan.doneBytes !== plan.totalBytes) throw new Error(`The download of "${name}" has ended with a hole in it`);
  }

  #grow(): void {
    while (this.#failure === undefined && this.#workers.size < this.#count.target) {
      const run = this.#job.plan.take(this.#runSegments());
      if (run === undefined) return;
      const worker = this.#work(run).finally(() => this.#workers.delete(worker));
      this.#workers.add(worker);
    }
  }

  /** Short enough that all ranges end at about the same time, long enough that a far server's answer is worth the wait. */
  #runSegments(): number {
    const { plan } = this.#job;
    if (this.#begun !== undefined) return Math.floor(plan.segmentsOf(this.#begun.endBytes));
    const share = Math.floor(plan.segmentsOf(plan.totalBytes - plan.doneBytes) / (this.#count.target * RUNS_PER_RANGE));
    return Math.min(LARGEST_RUN_SEGMENTS, Math.max(LEAST_RUN_SEGMENTS, share));
  }

  async #work(first: Run): Promise<void> {
    try {
      for (let run: Run | undefined = first; run !== undefined; run = this.#nextRun()) await this.#fetchRun(run);
    } catch (error) {
      this.#fail(error);
    }
  }

  #nextRun(): Run | undefined {
    if (this.#workers.size > this.#count.target) return undefined;
    return this.#job.plan.take(this.#runSegments());
  }

  async #fetchRun(run: Run): Promise<void> {
    const { plan } = this.#job;
    for (let failures = 0; run.next < run.end && (this.#whole ?? run) === run;) {
      const state = this.#pick(run);
      const doneBytes = plan.doneBytes;
      try {
        await this.#attempt(state, run);
      } catch (error) {
        if (this.#signal.aborted) throw error;
        failures = plan.doneBytes > doneBytes ? 1 : failures + 1;
        if (isWorthAnother(error) && failures < (state.source.attempts ?? this.#retry.attempts)) {
          await this.#options.clock.sleep(retryPauseMs(error, failures, this.#retry), this.#signal);
        } else {
          this.#drop(state, error);
          failures = 0;
        }
      }
    }
    plan.giveBack(run);
  }

  get #retry(): RetryPolicy {
    return this.#options.retry ?? DOWNLOAD_RETRY;
  }

  /** The first source that has not failed, and that has not sent this segment wrong where another one may be right. */
  #pick({ next }: Run): SourceState {
    const usable = this.#sources.filter(({ failure }) => failure === undefined);
    const state = usable.find(({ bad }) => !bad.has(next)) ?? usable[0];
    if (state === undefined) {
      throw new UnavailableError("CDN", `Cannot download "${this.#job.name}": no source is left`);
    }
    return state;
  }

  /** @throws the error itself when there is no other source, and when all must begin anew */
  #drop(state: SourceState, error: unknown): void {
    const others = this.#sources.filter((other) => other !== state && other.failure === undefined);
    if (others.length === 0 || error instanceof ChangedError && this.#job.etag !== undefined) throw error;
    state.failure = error;
    this.#options.onLostSource?.({ source: state.source.name, error });
  }

  async #attempt(state: SourceState, run: Run): Promise<void> {
    const { plan, etag } = this.#job;
    const span = { start: plan.startOf(run.next), end: plan.startOf(run.end) };
    const opened = this.#takeBegun() ?? await state.source.open(span, { ifEtag: etag, signal: this.#signal });
    const body = this.#options.limit === undefined
      ? opened.body
      : limitedStream(opened.body, this.#options.limit, this.#signal);
    const reader = byteReader(body);
    try {
      this.#checkVersion(opened);
      if (opened.isWhole && span.end - span.start < plan.totalBytes) await this.#readWhole(state, run, reader);
      else await this.#readRun(state, run, reader);
    } finally {
      await reader.cancel().catch(() => undefined); // it has failed, or it is read to its end
    }
  }

  #takeBegun(): OpenedRange | undefined {
    const begun = this.#begun?.opened;
    this.#begun = undefined;
    return begun;
  }

  #checkVersion({ totalBytes, etag }: OpenedRange): void {
    const { plan, name } = this.#job;
    const isSame = (totalBytes ?? plan.totalBytes) === plan.totalBytes;
    if (isSame && (this.#job.etag === undefined || etag === this.#job.etag)) return;
    throw new ChangedError(`Cannot download "${name}": it is another version by now`);
  }

  async #readRun(state: SourceState, run: Run, reader: ByteReader): Promise<void> {
    while (run.next < run.end && state.failure === undefined) {
      await this.#readSegment(state, run.next, reader);
      run.next++;
    }
  }

  /** One stream for everything: the other workers end, and what is there already is read and dropped. */
  async #readWhole(state: SourceState, run: Run, reader: ByteReader): Promise<void> {
    this.#whole ??= run;
    if (this.#whole !== run) return;
    this.#count.single();
    try {
      for (let index = 0; index < this.#job.plan.count; index++) await this.#readSegment(state, index, reader);
      run.next = run.end;
    } finally {
      this.#whole = undefined;
    }
  }

  async #readSegment(state: SourceState, index: number, reader: ByteReader): Promise<void> {
    const { plan, verify, name } = this.#job;
    await this.#untilWelcome();
    const bytes = await reader.read(plan.sizeOf(index));
    this.fetchedBytes += bytes.byteLength;
    if (bytes.byteLength < plan.sizeOf(index)) {
      throw new UnavailableError("CDN", `Cannot download "${name}": the answer was broken off`);
    }
    if (plan.isDone(index)) return release(bytes);
    if (verify === undefined || await verify(index, bytes)) return this.#accept(index, bytes);
    release(bytes);
    this.#refuse(state, index);
  }

  async #untilWelcome(): Promise<void> {
    const ready = this.#job.sink?.ready();
    if (ready === undefined) return;
    this.#count.heldBack();
    await ready;
  }

  #accept(index: number, bytes: Bytes): void {
    const { plan, front, sink } = this.#job;
    this.#write(index, bytes);
    plan.done(index);
    front?.offer(index, bytes);
    this.#save(bytes.byteLength);
    if (sink?.take(index, bytes) !== true) release(bytes);
    this.#options.onProgress?.(plan.doneBytes, plan.totalBytes);
    this.#count.arrived(this.#options.clock.now());
    this.#grow();
  }

  /** What the disk does not take ends the download: no source is to blame. */
  #write(index: number, bytes: Bytes): void {
    const { plan, file } = this.#job;
    try {
      file.writeAt(plan.startOf(index), bytes);
      if (isJournaled(plan)) file.append(formatEntry({ index, crc32: crc32(bytes) }));
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort();
  }

  /** The segment is asked for again, alone, and of another source if there is one; a source that often errs is left. */
  #refuse(state: SourceState, index: number): void {
    const { plan, name } = this.#job;
    const source = state.source.name;
    this.#options.onBadSegment?.({ index, source });
    state.bad.add(index);
    plan.suspect(index);
    const count = (this.#badCounts.get(index) ?? 0) + 1;
    this.#badCounts.set(index, count);
    const error = new IntegrityError(
      `Cannot download "${name}": segment ${index} from "${source}" is not what it must be`,
    );
    if (count >= BAD_PER_SEGMENT) throw error;
    if (state.bad.size >= BAD_PER_SOURCE && this.#hasOther(state)) this.#drop(state, error);
    plan.giveBack({ next: index, end: index + 1 });
  }

  #hasOther(state: SourceState): boolean {
    return this.#sources.some((other) => other !== state && other.failure === undefined);
  }

  /** Now and then, so that a power cut costs no more than this; what it leaves is looked at before it is used. */
  #save(sizeBytes: number): void {
    this.#unsavedBytes += sizeBytes;
    if (this.#unsavedBytes < CHECKPOINT_BYTES || this.#checkpoint !== undefined) return;
    this.#unsavedBytes = 0;
    this.#checkpoint = this.#job.file.checkpoint().catch((error) => this.#fail(error))
      .finally(() => this.#checkpoint = undefined);
  }
}

function isWorthAnother(error: unknown): boolean {
  return isTransient(error) || error instanceof RateLimitedError;
}
