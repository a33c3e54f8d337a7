import type { Clock } from "./clock.ts";
import { lockFile } from "./files.ts";

const PAUSE_MS = 50;

/** How a lock is waited for. */
export interface FileLockWait {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called once, when somebody else holds it. */
  readonly onWait: () => void;
}

/**
 * Waits until no other process holds the lock of a file that is there, and holds it until it is disposed or this process ends. The file is opened
 * for reading alone.
 * @throws the signal's reason when it is aborted first; what the system says where the file system has no locks
 */
export async function waitForReadLock(path: string, { clock, signal, onWait }: FileLockWait): Promise<Disposable> {
  const file = await Deno.open(path, { read: true });
  try {
    for (let hasWaited = false; !await file.tryLock(true); hasWaited = true) {
      if (!hasWaited) onWait();
      await clock.sleep(PAUSE_MS, signal);
    }
    return { [Symbol.dispose]: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

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
