import type { Clock } from "../system/clock.ts";

/**
 * Runs work that must move on: its signal is aborted when it has not called `moved` for `limitMs`, or together with the
 * caller's signal.
 *
 * @throws what `work` throws, or what `stalled` makes when it was aborted for standing still
 */
export async function whileMoving<T>(
  work: (signal: AbortSignal, moved: () => void) => Promise<T>,
  { clock, limitMs, signal, stalled }: { clock: Clock; limitMs: number; signal: AbortSignal; stalled: () => Error },
): Promise<T> {
  let lastMs = clock.now();
  let standsStill = false;
  const over = new AbortController();
  const abort = new AbortController();
  const watch = async () => {
    for (let leftMs = limitMs; leftMs > 0; leftMs = lastMs + limitMs - clock.now()) {
      await clock.sleep(leftMs, over.signal);
    }
    standsStill = true;
    abort.abort();
  };
  const working = work(AbortSignal.any([signal, abort.signal]), () => lastMs = clock.now());
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
