/** Segments `[next, end)` of an object that one request asks for. `next` goes on as they arrive. */
export interface Run {
  next: number;
  readonly end: number;
}

/** How an object is cut into segments. All have one size, but that the last may be shorter, and the first longer. */
export interface SegmentLayout {
  readonly segmentBytes: number;
  /** Bytes in front of the first segment that belong to it, such as a header; none where it is not given. */
  readonly leadBytes?: number | undefined;
}

const MISSING = 0;
const CLAIMED = 1;
const DONE = 2;

/** Which segments of an object of known size are there, which are on their way, and which are still to be asked for. */
export class DownloadPlan {
  readonly totalBytes: number;
  readonly #leadBytes: number;
  readonly #segmentBytes: number;
  readonly #states: Uint8Array;
  readonly #suspects = new Set<number>();
  #doneBytes = 0;
  #low = 0;

  constructor(totalBytes: number, { segmentBytes, leadBytes = 0 }: SegmentLayout) {
    this.totalBytes = totalBytes;
    this.#leadBytes = leadBytes;
    this.#segmentBytes = segmentBytes;
    const least = totalBytes > 0 ? 1 : 0;
    this.#states = new Uint8Array(Math.max(least, Math.ceil((totalBytes - leadBytes) / segmentBytes)));
  }

  /** How many segments there are. */
  get count(): number {
    return this.#states.length;
  }

  /** Bytes of the segments that are there. */
  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** As how many segments so many bytes count; not always a whole number. */
  segmentsOf(sizeBytes: number): number {
    return sizeBytes / this.#segmentBytes;
  }

  /** Offset of a segment in the object; its size for the one behind the last. */
  startOf(index: number): number {
    return index === 0 ? 0 : Math.min(this.totalBytes, this.#leadBytes + index * this.#segmentBytes);
  }

  /** Size of a segment. */
  sizeOf(index: number): number {
    return this.startOf(index + 1) - this.startOf(index);
  }

  isDone(index: number): boolean {
    return this.#states[index] === DONE;
  }

  /** A segment is there. Once more changes nothing. */
  done(index: number): void {
    if (this.isDone(index)) return;
    this.#states[index] = DONE;
    this.#doneBytes += this.sizeOf(index);
  }

  /** The bytes of a segment were not right: it is asked for alone from now on. */
  suspect(index: number): void {
    this.#suspects.add(index);
  }

  /** The next segments to ask for, at most `limit`; nothing when all are there or on their way. */
  take(limit: number): Run | undefined {
    while (this.#states[this.#low] === DONE) this.#low++;
    const start = this.#states.indexOf(MISSING, this.#low);
    if (start === -1) return undefined;
    let end = start + 1;
    const alone = this.#suspects.has(start);
    while (!alone && end - start < limit && this.#states[end] === MISSING && !this.#suspects.has(end)) end++;
    this.#states.fill(CLAIMED, start, end);
    return { next: start, end };
  }

  /** What of a run has not arrived is to be asked for again. */
  giveBack({ next, end }: Run): void {
    for (let index = next; index < end; index++) {
      if (this.#states[index] === CLAIMED) this.#states[index] = MISSING;
    }
  }
}

/** A journal costs as much as fetching what is smaller than this once more. */
const JOURNALED_BYTES = 1024 * 1024;

/** Whether it is worth writing down what of an object has come. */
export function isJournaled({ count, totalBytes }: DownloadPlan): boolean {
  return count > 1 && totalBytes > JOURNALED_BYTES;
}
