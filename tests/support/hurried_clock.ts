import { type Clock, systemClock } from "../../lib/system/clock.ts";

const FIRST_STEP_MS = 400;
const SHRINKING = 0.97;

/** A clock on which whatever is counted seems to come faster and faster: ranges that adapt become as many as they may. */
export function hurriedClock(): Clock {
  let nowMs = 0;
  let stepMs = FIRST_STEP_MS;
  return {
    now: () => {
      stepMs = Math.max(1, stepMs * SHRINKING);
      return nowMs += stepMs;
    },
    sleep: (delayMs, signal) => systemClock.sleep(delayMs, signal),
  };
}
