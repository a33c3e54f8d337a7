import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { type Bytes, release } from "../bytes.ts";
import { IntegrityError, InterruptedError } from "../errors.ts";
import { requireSpace } from "../system/disk_space.ts";
import { PartialFile } from "../system/partial_file.ts";
import { DigestFront } from "./digest_front.ts";
import {
  formatHead,
  type Journal,
  JOURNAL_LIMIT_BYTES,
  type JournalEntry,
  type JournalHead,
  parseJournal,
} from "./download_journal.ts";
import { DownloadPlan, isJournaled, type SegmentLayout } from "./download_plan.ts";
import {
  DOWNLOAD_RETRY,
  type DownloadRequest,
  isPinned,
  SEGMENT_BYTES,
  type TransferOptions,
} from "./download_request.ts";
import { downloadWhole } from "./download_whole.ts";
import { type BegunRange, ChangedError, RangeFetcher } from "./range_fetcher.ts";
import { withRetry } from "./retry.ts";

/** What came of a download. */
export interface DownloadResult {
  readonly sizeBytes: number;
  /** Bytes that came over in this run; more than were missing where some came twice. */
  readonly fetchedBytes: number;
  /** Bytes that a run before had left. */
  readonly reusedBytes: number;
}

/** What is asked for while the size is not known. */
const FIRST_BYTES = 4 * 1024 * 1024;
const RESTARTS = 3;

/**
 * Downloads an object into a file, by one to eight ranges at a time. Each has its own attempts; a journal beside the
 * partial file lets a killed process, a new address or token go on where it stopped, with at most one segment per range
 * fetched again. The file has its name when all of it was right and is on the disk.
 *
 * @throws {ConflictError} another process downloads to this place, or the object keeps changing; {DiskFullError} before the
 * first byte where the size is known; {IntegrityError} segments or digest are wrong: of the latter nothing is left;
 * {InterruptedError} by the signal; the errors of the last source. But for the digest, the next call goes on from there.
 */
export async function download(request: DownloadRequest, options: TransferOptions): Promise<DownloadResult> {
  checkRequest(request);
  using file = await PartialFile.open(request.path, request.mode);
  return await downloadInto(file, request, options);
}

/** The same into a file that the caller has opened, and closes. */
export async function downloadInto(
  file: PartialFile,
  request: DownloadRequest,
  options: TransferOptions,
): Promise<DownloadResult> {
  checkRequest(request);
  let fetchedBytes = 0;
  for (let restarts = 0;; restarts++) {
    const run = new DownloadRun(request, options, file);
    try {
      const result = await run.run();
      return { ...result, fetchedBytes: fetchedBytes + result.fetchedBytes };
    } catch (error) {
      if (options.signal.aborted) throw leave(file, new InterruptedError());
      if (!(error instanceof ChangedError) || isPinned(request) || restarts === RESTARTS) {
        throw leave(file, error);
      }
      fetchedBytes += run.fetchedBytes;
      file.forget();
    }
  }
}

function checkRequest(request: DownloadRequest): void {
  if (isPinned(request) && (request.sizeBytes !== undefined || request.sink === undefined)) return;
  if (request.sources.length > 1) {
    throw new TypeError("Several sources of a download need a digest or a check of each segment");
  }
  if (request.sink !== undefined) throw new TypeError("A sink of a download needs its size, and a digest or a check");
}

/** A file without a byte is of no use to the next run. */
function leave(file: PartialFile, error: unknown): unknown {
  if (file.isEmpty) file.discard();
  return error;
}

/** One beginning of a download: it goes on from a journal, or starts one. */
class DownloadRun {
  readonly #request: DownloadRequest;
  readonly #options: TransferOptions;
  readonly #file: PartialFile;
  fetchedBytes = 0;

  constructor(request: DownloadRequest, options: TransferOptions, file: PartialFile) {
    this.#request = request;
    this.#options = options;
    this.#file = file;
  }

  async run(): Promise<DownloadResult> {
    const journal = await this.#journal();
    if (journal !== undefined) return await this.#goOn(journal);
    const { identity, sizeBytes, segmentBytes = SEGMENT_BYTES } = this.#request;
    this.#file.forget();
    if (sizeBytes !== undefined && isPinned(this.#request)) {
      return await this.#begin({ identity, sizeBytes, segmentBytes });
    }
    const begun = await openFirst(this.#request, this.#options, firstBytes(this.#layout));
    try {
      const { totalBytes, etag } = begun.opened;
      if (totalBytes === undefined || !isPinned(this.#request) && etag === undefined) {
        return await this.#runWhole(begun);
      }
      return await this.#begin({ identity, sizeBytes: totalBytes, segmentBytes, etag }, begun);
    } finally {
      if (!begun.opened.body.locked) await begun.opened.body.cancel();
    }
  }

  get #layout(): SegmentLayout {
    const { segmentBytes = SEGMENT_BYTES, leadBytes } = this.#request;
    return { segmentBytes, leadBytes };
  }

  async #goOn({ head, entries }: Journal): Promise<DownloadResult> {
    const plan = new DownloadPlan(head.sizeBytes, this.#layout);
    await this.#restore(plan, entries);
    await requireSpace(dirname(this.#file.path), head.sizeBytes - plan.doneBytes);
    return await this.#run(plan, head);
  }

  async #begin(head: JournalHead, begun?: BegunRange): Promise<DownloadResult> {
    try {
      await requireSpace(dirname(this.#file.path), head.sizeBytes);
    } catch (error) {
      this.#file.discard();
      throw error;
    }
    const plan = new DownloadPlan(head.sizeBytes, this.#layout);
    if (isJournaled(plan)) this.#file.append(formatHead(head));
    return await this.#run(plan, head, begun);
  }

  async #run(plan: DownloadPlan, head: JournalHead, begun?: BegunRange): Promise<DownloadResult> {
    const reusedBytes = plan.doneBytes;
    await this.#fetch(plan, head, begun);
    await this.#file.commit(head.sizeBytes);
    return { sizeBytes: head.sizeBytes, fetchedBytes: this.fetchedBytes, reusedBytes };
  }

  /** What a run before left of the same object. */
  async #journal(): Promise<Journal | undefined> {
    const journal = parseJournal(await this.#file.journalText(JOURNAL_LIMIT_BYTES));
    const { identity, sizeBytes, segmentBytes = SEGMENT_BYTES } = this.#request;
    const isSame = journal?.head.identity === identity && journal.head.segmentBytes === segmentBytes &&
      (sizeBytes ?? journal.head.sizeBytes) === journal.head.sizeBytes &&
      (isPinned(this.#request) || journal.head.etag !== undefined);
    return isSame ? journal : undefined;
  }

  /** Segments count when their bytes are still the right ones: a power cut may have lost some. */
  async #restore(plan: DownloadPlan, entries: readonly JournalEntry[]): Promise<void> {
    const { sink } = this.#request;
    for (const entry of entries.toSorted((one, other) => one.index - other.index)) {
      if (entry.index >= plan.count) continue;
      await sink?.ready();
      this.#options.signal.throwIfAborted();
      const bytes = await this.#file.readAt(plan.startOf(entry.index), plan.sizeOf(entry.index));
      const isRight = bytes.byteLength === plan.sizeOf(entry.index) && await this.#isStillRight(entry, bytes);
      if (isRight) plan.done(entry.index);
      if (!isRight || sink?.take(entry.index, bytes) !== true) release(bytes);
    }
  }

  /** What they must be is compared where it is known, and else what the journal says of them. */
  async #isStillRight({ index, crc32: expected }: JournalEntry, bytes: Bytes): Promise<boolean> {
    const { verify } = this.#request;
    return verify === undefined ? crc32(bytes) === expected : await verify(index, bytes);
  }

  async #fetch(plan: DownloadPlan, { etag }: JournalHead, begun: BegunRange | undefined): Promise<void> {
    const { path, name = path, sources, verify, digest, sink } = this.#request;
    const front = digest && new DigestFront(this.#file, plan, digest());
    const fetcher = new RangeFetcher({
      name,
      plan,
      file: this.#file,
      sources,
      etag: isPinned(this.#request) ? undefined : etag,
      verify,
      front,
      sink,
      begun,
    }, this.#options);
    try {
      this.#options.onProgress?.(plan.doneBytes, plan.totalBytes);
      await fetcher.run();
    } catch (error) {
      await front?.stop();
      throw error;
    } finally {
      this.fetchedBytes += fetcher.fetchedBytes;
    }
    if (await front?.matches() !== false) return;
    this.#file.discard();
    throw new IntegrityError(`Cannot download "${name}": all of it came, but its digest is wrong`);
  }

  /** Nothing vouches for a second range: all comes in one stream, and once more after a break. */
  async #runWhole({ opened, endBytes }: BegunRange): Promise<DownloadResult> {
    const isAll = opened.isWhole || opened.totalBytes !== undefined && opened.totalBytes <= endBytes;
    const target = { file: this.#file, begun: isAll ? opened : undefined };
    const { fetchedBytes, sizeBytes } = await downloadWhole(this.#request, this.#options, target);
    await this.#file.commit(sizeBytes);
    return { sizeBytes, fetchedBytes, reusedBytes: 0 };
  }
}

/** Whole segments, so that it is the first run of a plan. */
function firstBytes({ segmentBytes, leadBytes = 0 }: SegmentLayout): number {
  return Math.max(1, Math.floor(FIRST_BYTES / segmentBytes)) * segmentBytes + leadBytes;
}

/** Begins at the first source that answers. */
async function openFirst(
  { sources }: DownloadRequest,
  { clock, signal, retry = DOWNLOAD_RETRY }: TransferOptions,
  endBytes: number,
): Promise<BegunRange> {
  let failure: unknown = new TypeError("A download needs a source");
  for (const source of sources) {
    try {
      const open = () => source.open({ start: 0, end: endBytes }, { signal });
      return { opened: await withRetry(open, { policy: retry, clock, signal }), endBytes };
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
