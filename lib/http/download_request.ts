import type { Bytes } from "../bytes.ts";
import type { Clock } from "../system/clock.ts";
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
}

/** An object, and where it goes. */
export interface DownloadRequest {
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
  /** Unit of verification, of the journal, and of what is fetched twice. */
  readonly segmentBytes?: number;
  readonly verify?: VerifySegment | undefined;
  /** Makes the digest of the whole file; called for each beginning. */
  readonly digest?: (() => RunningDigest) | undefined;
}

/** About two minutes of silence, if it must be. */
export const DOWNLOAD_RETRY: RetryPolicy = { attempts: 8, baseDelayMs: 500, maxDelayMs: 60_000 };

/** Whether it is known beforehand what the bytes must be. */
export function isPinned({ verify, digest }: DownloadRequest): boolean {
  return verify !== undefined || digest !== undefined;
}
