import type { Clock } from "./clock.ts";
import { lockFile } from "./files.ts";

const PAUSE_MS = 50;

/**
 * Waits until no other process holds the lock of a file, and holds it until it is disposed or this process ends. The file is
 * made where it is missing, and stays.
 * @throws the signal's reason when it is aborted first
 */
export async function waitForFileLock(path: string, clock: Clock, signal: AbortSignal): Promise<Disposable> {
  for (;;) {
    const lock = await lockFile(path);
    if (lock !== undefined) return lock;
    await clock.sleep(PAUSE_MS, signal);
  }
}
