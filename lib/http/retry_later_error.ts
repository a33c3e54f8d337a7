import { UnavailableError, type Upstream } from "../errors.ts";
import type { DelayedRetry } from "./retry.ts";

/** A server that asks for a pause, and for how long. */
export class RetryLaterError extends UnavailableError implements DelayedRetry {
  readonly retryAfterMs: number;

  /** @param retryAfter the header of that name. Seconds only: a date would need a clock that is right. @see RFC 9110, section 10.2.3 */
  constructor(service: Upstream, message: string, retryAfter: string | null | undefined) {
    super(service, message);
    this.retryAfterMs = /^\d{1,6}$/.test(retryAfter ?? "") ? Number(retryAfter) * 1000 : 0;
  }
}
