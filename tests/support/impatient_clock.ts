import { type Clock, systemClock } from "../../lib/system/clock.ts";

const LONGEST_MS = 10;
/** No pause before another try is longer: this is how long something may take. */
const LIMIT_MS = 60_000;

/** The machine's clock, on which nobody waits long before another try. */
export const impatientClock: Clock = {
  now: () => systemClock.now(),
  sleep: (delayMs, signal) => systemClock.sleep(delayMs > LIMIT_MS ? delayMs : Math.min(delayMs, LONGEST_MS), signal),
};
