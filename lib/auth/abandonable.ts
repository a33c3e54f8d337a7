import { InterruptedError } from "../errors.ts";

/** Waits for work that others share: an abort ends this wait, and not the work. @throws {InterruptedError} */
export async function abandonable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abandon = () => reject(new InterruptedError());
  if (signal.aborted) abandon();
  signal.addEventListener("abort", abandon, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abandon);
  }
}
