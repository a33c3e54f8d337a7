import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type ErrorCode, RateLimitedError, TallyError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { redact } from "../lib/redaction/redact.ts";
import { BusinessError } from "./business_error.ts";
import type { OriginEnv } from "./guard.ts";

/** How an error is told to the caller. */
interface Answer {
  readonly status: ContentfulStatusCode;
  readonly title: string;
  /** The message is about what the caller sent, and may be shown; other messages may hold paths of this machine. */
  readonly shown: boolean;
}

const INTERNAL: Answer = { status: 500, title: "Internal server error", shown: false };

const ANSWERS: Readonly<Record<ErrorCode, Answer>> = {
  usage: INTERNAL,
  configuration: INTERNAL,
  malformed: { status: 400, title: "Malformed request", shown: true },
  invalid_input: { status: 422, title: "Invalid input", shown: true },
  unsupported_media_type: { status: 415, title: "Unsupported media type", shown: true },
  too_large: { status: 413, title: "Content too large", shown: true },
  method_not_allowed: { status: 405, title: "Method not allowed", shown: true },
  not_signed_in: { status: 401, title: "Not signed in", shown: true },
  token_expired: { status: 401, title: "Sign-in expired", shown: true },
  not_allowed: { status: 403, title: "Not allowed", shown: true },
  not_found: { status: 404, title: "Not found", shown: true },
  conflict: { status: 412, title: "Precondition failed", shown: true },
  rate_limited: { status: 429, title: "Too many requests", shown: true },
  busy: { status: 503, title: "Busy", shown: true },
  upstream: INTERNAL,
  unavailable: INTERNAL,
  timeout: { status: 408, title: "Request timeout", shown: false },
  integrity: { status: 422, title: "Digest mismatch", shown: true },
  disk_full: { status: 507, title: "Insufficient storage", shown: false },
  disk_failed: { status: 507, title: "Storage cannot be written", shown: false },
  docker: INTERNAL,
  partial: INTERNAL,
  interrupted: { status: 503, title: "Shutting down", shown: false },
  internal: INTERNAL,
};

/**
 * The answer to a call that failed: 409 `{ErrorCode, Message}` for a business error, an RFC 9457 problem body for the
 * rest. Unknown errors are logged and told as 500 without a word of what they said.
 */
export function answerError(error: unknown, c: Context<OriginEnv>, log: Logger): Response {
  if (error instanceof BusinessError) {
    return c.json({ ErrorCode: error.errorCode, Message: redact(error.message) }, 409);
  }
  const code = error instanceof TallyError ? error.code : "internal";
  const { status, title, shown } = ANSWERS[code];
  if (status >= 500) {
    log.error("request_failed", { requestId: c.get("requestId"), path: c.req.path, error: describe(error) });
  }
  if (error instanceof RateLimitedError) c.header("Retry-After", String(error.retryAfterSeconds));
  if (status === 401) c.header("WWW-Authenticate", "Bearer");
  const detail = shown && error instanceof Error ? redact(error.message) : title;
  return problem(c, { status, title, detail, code });
}

/** @see RFC 9457 */
export function problem(
  c: Context<OriginEnv>,
  { status, title, detail, code }: { status: ContentfulStatusCode; title: string; detail: string; code: string },
): Response {
  return c.json({ type: "about:blank", title, status, detail, code }, status, {
    "Content-Type": "application/problem+json",
  });
}

function describe(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
