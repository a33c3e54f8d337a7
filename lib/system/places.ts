import { BusyError, InterruptedError } from "../errors.ts";

/** How many may do something at once, how many may wait for it, and how long. */
export interface PlaceLimits {
  readonly places: number;
  readonly waiting: number;
  readonly waitMs: number;
}

interface Waiter {
  readonly enter: () => void;
}

/** Gives a bounded number of places, in the order in which they are asked for; who asks while too many wait is refused at once. */
export class Places {
  readonly #limits: PlaceLimits;
  readonly #waiting = new Set<Waiter>();
  #free: number;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
    this.#free = limits.places;
  }

  /**
   * Waits for a place.
   * @returns gives the place back; once, however often it is called
   * @throws {BusyError} too many wait, or none got free in time; {InterruptedError} the signal was aborted
   */
  async take(signal?: AbortSignal): Promise<() => void> {
    if (signal?.aborted) throw new InterruptedError();
    if (this.#free > 0) this.#free--;
    else if (this.#waiting.size < this.#limits.waiting) await this.#turn(signal);
    else throw this.#refusal();
    let isTaken = true;
    return () => {
      if (isTaken) this.#giveBack();
      isTaken = false;
    };
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { enter: resolve };
    const goAway = (error: Error) => {
      this.#waiting.delete(waiter); // at once: no place may be given to it any more
      reject(error);
    };
    const leave = () => goAway(new InterruptedError());
    const timer = setTimeout(() => goAway(this.#refusal()), this.#limits.waitMs);
    signal?.addEventListener("abort", leave, { once: true });
    this.#waiting.add(waiter);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", leave);
    }
  }

  /** The place goes to who has waited longest. */
  #giveBack(): void {
    const next = this.#waiting.values().next();
    if (next.done) return void this.#free++;
    this.#waiting.delete(next.value);
    next.value.enter();
  }

  #refusal(): BusyError {
    const seconds = Math.max(1, Math.ceil(this.#limits.waitMs / 4000));
    return new BusyError(`All ${this.#limits.places} places are taken: try again in ${seconds} s`, seconds);
  }
}
