import type { PlatformSettings, RetriedArea } from "../config/platform_settings.ts";
import type { RetryPolicy } from "../http/retry.ts";

/** The settings give the shortest first pause; the longest is a second more, so that many clients do not come back at once. */
const JITTER_MS = 1_000;

/** How long a group of calls may take, how often it is tried, and how long its answers stay good. */
export interface CallLimits {
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly cacheTtlMs: number;
}

/** Limits of all calls, by what they are about. */
export interface PlatformLimits {
  readonly me: CallLimits;
  readonly application: CallLimits;
  readonly applicationVersion: CallLimits;
  readonly run: CallLimits;
  readonly healthTimeoutMs: number;
  readonly submitTimeoutMs: number;
  readonly cancelTimeoutMs: number;
  readonly deleteTimeoutMs: number;
}

/** The limits that the settings ask for. */
export function limitsOf({ timeoutsMs, retries, cacheTtlsMs }: PlatformSettings): PlatformLimits {
  const limits = (area: Exclude<RetriedArea, "auth">): CallLimits => ({
    timeoutMs: timeoutsMs[area],
    retry: withJitter(retries[area]),
    cacheTtlMs: cacheTtlsMs[area],
  });
  return {
    me: limits("me"),
    application: limits("application"),
    applicationVersion: limits("applicationVersion"),
    run: limits("run"),
    healthTimeoutMs: timeoutsMs.health,
    submitTimeoutMs: timeoutsMs.runSubmit,
    cancelTimeoutMs: timeoutsMs.runCancel,
    deleteTimeoutMs: timeoutsMs.runDelete,
  };
}

function withJitter(policy: RetryPolicy): RetryPolicy {
  return { ...policy, baseDelayMs: policy.baseDelayMs + JITTER_MS };
}
