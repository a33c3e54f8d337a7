import type { Clock } from "../../lib/system/clock.ts";

/** A clock that stands still until it is told to go on, and whose sleepers wake at once. */
export interface TestClock extends Clock {
  /** How long each `sleep` was asked to last, in milliseconds. */
  readonly sleeps: readonly number[];
  advance(ms: number): void;
}

/** @param onSleep is told of each sleep before it ends */
export function testClock(onSleep: (delayMs: number) => Promise<void> | void = () => {}): TestClock {
  let nowMs = Date.UTC(2030, 0, 1);
  const sleeps: number[] = [];
  return {
    sleeps,
    now: () => nowMs,
    advance: (ms) => void (nowMs += ms),
    async sleep(delayMs, signal) {
      signal?.throwIfAborted();
      sleeps.push(delayMs);
      nowMs += delayMs;
      await onSleep(delayMs);
    },
  };
}
