import { type Clock, systemClock } from "../../lib/system/clock.ts";

/** The machine's clock, moved ahead: for what runs beside a library that has a clock of its own. */
export interface ShiftedClock extends Clock {
  advance(ms: number): void;
}

export function shiftedClock(): ShiftedClock {
  let aheadMs = 0;
  return {
    now: () => systemClock.now() + aheadMs,
    sleep: systemClock.sleep,
    advance: (ms) => void (aheadMs += ms),
  };
}
