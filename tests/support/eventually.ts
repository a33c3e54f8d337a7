import { systemClock } from "../../lib/system/clock.ts";

const PAUSE_MS = 5;
const LIMIT_MS = 10_000;

/** Waits until `check` holds. @throws {Error} after ten seconds, or another time */
export async function eventually(what: string, check: () => Promise<boolean>, limitMs = LIMIT_MS): Promise<void> {
  const endMs = systemClock.now() + limitMs;
  while (!await check()) {
    if (systemClock.now() > endMs) throw new Error(`Still not so after ${limitMs} ms: ${what}`);
    await systemClock.sleep(PAUSE_MS);
  }
}
