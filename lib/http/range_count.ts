const WINDOW_MS = 1_000;
const WINDOW_SEGMENTS = 8;
const WORTHWHILE = 1.1;

/**
 * How many ranges are fetched at a time: one at first, then twice as many for as long as that makes it faster by a tenth; a
 * step that did not help is taken back, and that is that. Pure: time is an argument.
 */
export class RangeCount {
  readonly #most: number;
  #target = 1;
  #settled: boolean;
  #bestRate = 0;
  #sinceMs: number | undefined;
  #segments = 0;

  constructor(most: number) {
    this.#most = most;
    this.#settled = most === 1;
  }

  /** How many ranges there should be now. */
  get target(): number {
    return this.#target;
  }

  /** One at a time from now on: the source knows no ranges. */
  single(): void {
    this.#target = 1;
    this.#settled = true;
  }

  /** Whoever takes the segments is slower than they come: this window says nothing of the ranges. */
  heldBack(): void {
    this.#sinceMs = undefined;
    this.#segments = 0;
  }

  /** A segment has arrived. Looks at the rate after each window of at least a second and eight segments. */
  arrived(nowMs: number): void {
    if (this.#settled) return;
    if (this.#sinceMs !== undefined && nowMs < this.#sinceMs) this.heldBack(); // the clock was set back
    if (this.#sinceMs === undefined) return void (this.#sinceMs = nowMs); // nobody knows how long the first one took
    this.#segments++;
    const elapsedMs = nowMs - this.#sinceMs;
    if (elapsedMs < WINDOW_MS || this.#segments < WINDOW_SEGMENTS * this.#target) return;
    this.#judge(this.#segments / elapsedMs);
    this.#sinceMs = nowMs;
    this.#segments = 0;
  }

  #judge(rate: number): void {
    if (rate < this.#bestRate * WORTHWHILE) {
      this.#target /= 2;
      this.#settled = true;
      return;
    }
    this.#bestRate = rate;
    if (this.#target === this.#most) this.#settled = true;
    else this.#target = Math.min(this.#most, this.#target * 2);
  }
}
