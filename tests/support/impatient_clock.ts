import { type Clock, systemClock } from "../../lib/system/clock.ts";

const LONGEST_MS = 10;

/** The machine's clock, on which nobody waits long before another try. */
export const impatientClock: Clock = {
  now: () => systemClock.now(),
  sleep: (delayMs, signal) => systemClock.sleep(Math.min(delayMs, LONGEST_MS), signal),
};
