import { systemClock } from "../../lib/system/clock.ts";

const PAUSE_MS = 5;
const LIMIT_MS = 10_000;

/** Waits until `check` holds. @throws {Error} after ten seconds */
export async function eventually(what: string, check: () => Promise<boolean>): Promise<void> {
  const endMs = systemClock.now() + LIMIT_MS;
  while (!await check()) {
    if (systemClock.now() > endMs) throw new Error(`Still not so after ${LIMIT_MS} ms: ${what}`);
    await systemClock.sleep(PAUSE_MS);
  }
}
