import { TallyError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";

/** How often and how long a call is repeated. */
export interface RetryPolicy {
  /** Calls in all, the first included. */
  readonly attempts: number;
  /** Longest pause before the second call; doubles with each further one. */
  readonly baseDelayMs: number;
  /** No pause is longer. */
  readonly maxDelayMs: number;
}

/** Three calls within about two seconds: enough for a hiccup, short enough for a person who waits. */
export const DEFAULT_RETRY: RetryPolicy = { attempts: 3, baseDelayMs: 300, maxDelayMs: 5_000 };

/** An error that names its own pause (an HTTP `Retry-After`), in milliseconds. */
export interface DelayedRetry {
  readonly retryAfterMs?: number;
}

const TRANSIENT: ReadonlySet<string> = new Set(["unavailable", "timeout"]);

/** Whether the same call may succeed later without anybody doing anything. */
export function isTransient(error: unknown): boolean {
  return error instanceof TallyError && TRANSIENT.has(error.code);
}

/**
 * Repeats `call` while it fails with a transient error, with exponential pauses and full jitter.
 * @param isRepeatable which errors count as transient, where others do than unreachable and silent servers
 * @param random a number in [0, 1), the source of the jitter
 * @throws the last error of `call`, or the signal's reason
 */
export async function withRetry<T>(
  call: (attempt: number) => Promise<T>,
  { policy = DEFAULT_RETRY, clock, signal, isRepeatable = isTransient, random = Math.random }: {
    policy?: RetryPolicy;
    clock: Clock;
    signal?: AbortSignal | undefined;
    isRepeatable?: (error: unknown) => boolean;
    random?: () => number;
  },
): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await call(attempt);
    } catch (error) {
      if (attempt >= policy.attempts || signal?.aborted || !isRepeatable(error)) throw error;
      await clock.sleep(retryPauseMs(error, attempt, policy, random), signal);
    }
  }
}

/**
 * How long to wait after the failed call number `attempt`: what the error asks for, else an exponential pause with full
 * jitter; never longer than the policy's longest.
 */
export function retryPauseMs(
  error: unknown,
  attempt: number,
  policy: RetryPolicy,
  random: () => number = Math.random,
): number {
  const asked = error instanceof Error && "retryAfterMs" in error ? Number(error.retryAfterMs) : 0;
  const ceiling = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** (attempt - 1));
  return Math.max(Math.min(asked || 0, policy.maxDelayMs), ceiling * random());
}
