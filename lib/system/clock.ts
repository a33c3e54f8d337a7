/** The only source of time. Tests pass their own. */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number;
  /** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (delayMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      }, delayMs);
      signal?.addEventListener("abort", stop, { once: true });
    }),
};

/**
 * Whether what holds for `forMs`, and so until `untilMs`, still does. Not when it would hold for longer than that: the clock was set back
 * behind its beginning then, and it might hold for years.
 */
export function stillHolds(untilMs: number, forMs: number, nowMs: number): boolean {
  return nowMs < untilMs && untilMs - nowMs <= forMs;
}
