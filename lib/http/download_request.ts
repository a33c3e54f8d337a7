import type { Bytes } from "../bytes.ts";
import type { Clock } from "../system/clock.ts";
import type { SegmentLayout } from "./download_plan.ts";
import type { RangeSource } from "./range_source.ts";
import type { RateLimit } from "./rate_limit.ts";
import type { RetryPolicy } from "./retry.ts";

/** A digest of a whole file, computed chunk by chunk in order and then compared once. */
export interface RunningDigest {
  update(chunk: Bytes): void;
  /** Whether all that passed is what was expected. */
  matches(): boolean;
}

/**
 * Looks at the bytes of one segment before they are written; `false` when they are not right. Called once for each
 * arrival, for several segments at a time.
 */
export type VerifySegment = (index: number, bytes: Bytes) => boolean | Promise<boolean>;

/** Whoever uses the segments while they come. */
export interface SegmentSink {
  /** Asked before each segment is read; where it gives a promise, the download is held back until then. Many ask at a time. */
  ready(): Promise<void> | undefined;
  /**
   * A segment is in the file, and it is right: those that a run before has left come first and in order, the others as they arrive.
   * @returns whether it keeps the bytes, whose memory is given back otherwise
   */
  take(index: number, bytes: Bytes): boolean;
}

/** A source that is not asked any more. */
export interface LostSource {
  readonly source: string;
  readonly error: unknown;
}

/** A segment that came wrong, and from where. It is fetched again. */
export interface BadSegment {
  readonly index: number;
  readonly source: string;
}

/** What a download lets its caller hear and decide. */
export interface TransferOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly limit?: RateLimit | undefined;
  /** Ranges at a time, at most. */
  readonly maxRanges?: number;
  /** Attempts of one range without any progress, and the pauses between them. */
  readonly retry?: RetryPolicy;
  readonly onProgress?: (doneBytes: number, totalBytes: number | undefined) => void;
  readonly onBadSegment?: (bad: BadSegment) => void;
  /** While another source is left; the error of the last one is that of the download. */
  readonly onLostSource?: (lost: LostSource) => void;
}

/** An object, and where it goes. */
export interface DownloadRequest extends Partial<SegmentLayout> {
  /** For messages; `path` where none is given. */
  readonly name?: string;
  /** Where the file will stand; what stands there is replaced at the end. */
  readonly path: string;
  /** Of the file, less the process's own mask; only its owner may read and write it where none is given. */
  readonly mode?: number;
  /**
   * Names exactly this object, for the journal: with `verify` or `digest`, what they compare with; else its address without
   * what changes in it (tokens, signatures).
   */
  readonly identity: string;
  /** In order of preference; more than one only with `verify` or `digest`, since their versions cannot be compared. */
  readonly sources: readonly RangeSource[];
  /** Size of the object, where it is known. */
  readonly sizeBytes?: number | undefined;
  /** Unit of verification, of the journal, and of what is fetched twice; 1 MiB where none is given. */
  readonly segmentBytes?: number;
  readonly verify?: VerifySegment | undefined;
  /** Makes the digest of the whole file; called for each beginning. */
  readonly digest?: (() => RunningDigest) | undefined;
  /** Only where the size is known, and what the bytes must be. */
  readonly sink?: SegmentSink | undefined;
}

/** Segments where nothing else is asked for. */
export const SEGMENT_BYTES = 1024 * 1024;

/** About two minutes of silence, if it must be. */
export const DOWNLOAD_RETRY: RetryPolicy = { attempts: 8, baseDelayMs: 500, maxDelayMs: 60_000 };

/** Whether it is known beforehand what the bytes must be. */
export function isPinned({ verify, digest }: DownloadRequest): boolean {
  return verify !== undefined || digest !== undefined;
}
