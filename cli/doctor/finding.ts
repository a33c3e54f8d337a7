import type { Settings } from "../../lib/config/options.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { Environment } from "../../lib/system/environment.ts";

/** What a check found: that all is well, or what will be in the way, and what to do about it. */
export interface Finding {
  readonly status: "ok" | "warning";
  readonly says: string;
  readonly hint?: string;
}

/** One check; it throws what makes the device unusable. */
export interface Check {
  readonly name: string;
  readonly run: (signal: AbortSignal) => Promise<Finding>;
}

/** What is examined, and with what. */
export interface Examined {
  readonly settings: Settings;
  readonly environment: Environment;
  readonly clock: Clock;
}

/** All is well. */
export function ok(says: string): Finding {
  return { status: "ok", says };
}

/** Something will be in the way; the hint says what to do about it. */
export function warning(says: string, hint: string): Finding {
  return { status: "warning", says, hint };
}
