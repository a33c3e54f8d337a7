/** Segments `[next, end)` of an object that one request asks for. `next` goes on as they arrive. */
export interface Run {
  next: number;
  readonly end: number;
}

const MISSING = 0;
const CLAIMED = 1;
const DONE = 2;

/** Which segments of an object of known size are there, which are on their way, and which are still to be asked for. */
export class DownloadPlan {
  readonly segmentBytes: number;
  readonly totalBytes: number;
  readonly #states: Uint8Array;
  readonly #suspects = new Set<number>();
  #doneBytes = 0;
  #low = 0;

  constructor(totalBytes: number, segmentBytes: number) {
    this.totalBytes = totalBytes;
    this.segmentBytes = segmentBytes;
    this.#states = new Uint8Array(Math.ceil(totalBytes / segmentBytes));
  }

  /** How many segments there are. */
  get count(): number {
    return this.#states.length;
  }

  /** Bytes of the segments that are there. */
  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** Size of a segment; the last may be shorter. */
  sizeOf(index: number): number {
    return Math.min(this.segmentBytes, this.totalBytes - index * this.segmentBytes);
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
