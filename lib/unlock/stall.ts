import type { Clock } from "../system/clock.ts";

/**
 * Runs work that must move on: its signal is aborted when it has not called `moved` for `limitMs`, or together with the
 * caller's signal. It is looked at once in `limitMs`, by sleeping and not by the time, which may be set meanwhile.
 *
 * @throws what `work` throws, or what `stalled` makes when it was aborted for standing still
 */
export async function whileMoving<T>(
  work: (signal: AbortSignal, moved: () => void) => Promise<T>,
  { clock, limitMs, signal, stalled }: { clock: Clock; limitMs: number; signal: AbortSignal; stalled: () => Error },
): Promise<T> {
  let hasMoved = false;
  let standsStill = false;
  const over = new AbortController();
  const abort = new AbortController();
  const watch = async () => {
    do {
      hasMoved = false;
      await clock.sleep(limitMs, over.signal);
    } while (hasMoved);
    standsStill = true;
    abort.abort();
  };
  const working = work(AbortSignal.any([signal, abort.signal]), () => hasMoved = true);
  const watching = watch().catch(() => undefined); // the work was over first
  try {
    return await working;
  } catch (error) {
    throw standsStill ? stalled() : error;
  } finally {
    over.abort();
    await watching;
  }
}
