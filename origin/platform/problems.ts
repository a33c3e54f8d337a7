import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { z } from "zod";
import { ConflictError, type ErrorCode, InvalidInputError, NotFoundError, TallyError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { PlatformEnv } from "./caller.ts";

/** Where a wrong value stands. */
export type Place = "body" | "query" | "path" | "header";

/** One fault of a request, in the form of FastAPI. */
export interface RequestIssue {
  /** The place, and then keys and indexes. */
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly type: string;
}

/** A request can be read, but values in it are not allowed; told as 422 with all of its issues. */
export class InvalidRequestError extends InvalidInputError {
  readonly issues: readonly RequestIssue[];

  constructor(issues: readonly RequestIssue[]) {
    super(issues[0]?.loc.join(".") ?? "body", issues[0]?.msg ?? "The request is not valid");
    this.issues = issues;
  }
}

/** The artifact was there and is deleted: told as 410. */
export class GoneError extends NotFoundError {}

/** The metadata were changed since the caller read them: told as 412. */
export class StaleChecksumError extends ConflictError {}

/** The values fit together badly with the application: told as 400. */
export class RejectedRunError extends InvalidInputError {}

const INTERNAL = 500;

const STATUS: Readonly<Record<ErrorCode, ContentfulStatusCode>> = {
  usage: INTERNAL,
  configuration: INTERNAL,
  malformed: 422,
  invalid_input: 422,
  unsupported_media_type: 422,
  too_large: 413,
  method_not_allowed: 405,
  not_signed_in: 401,
  token_expired: 401,
  not_allowed: 403,
  not_found: 404,
  conflict: 409,
  rate_limited: 429,
  busy: 503,
  upstream: INTERNAL,
  unavailable: INTERNAL,
  timeout: 408,
  integrity: INTERNAL,
  disk_full: 507,
  disk_failed: 507,
  docker: INTERNAL,
  partial: INTERNAL,
  interrupted: 503,
  internal: INTERNAL,
};

/** What is wrong, from a schema that refused a value. */
export function issuesOf(error: z.ZodError, place: Place): RequestIssue[] {
  return error.issues.map(({ path, message, code }) => ({
    loc: [place, ...path.map((key) => typeof key === "symbol" ? String(key) : key)],
    msg: message,
    type: code,
  }));
}

/** One value that is wrong. */
export function invalid(place: Place, name: string, msg: string): InvalidRequestError {
  return new InvalidRequestError([{ loc: [place, name], msg, type: "value_error" }]);
}

/**
 * The answer to a call that failed, as FastAPI gives it: `{detail}`, with a list of issues for 422 and prose for the rest.
 * Unknown errors are logged and told as 500 without a word of what they said.
 */
export function answerPlatformError(error: unknown, c: Context<PlatformEnv>, log: Logger): Response {
  const status = statusOf(error);
  if (status >= INTERNAL) {
    log.error("request_failed", { requestId: c.get("requestId"), path: c.req.path, error: describe(error) });
    return c.json({ detail: "Internal server error" }, status);
  }
  if (status === 401) c.header("WWW-Authenticate", "Bearer");
  return c.json({ detail: status === 422 ? issues(error) : messageOf(error) }, status);
}

function statusOf(error: unknown): ContentfulStatusCode {
  if (error instanceof RejectedRunError) return 400;
  if (error instanceof GoneError) return 410;
  if (error instanceof StaleChecksumError) return 412;
  return STATUS[error instanceof TallyError ? error.code : "internal"];
}

function issues(error: unknown): readonly RequestIssue[] {
  if (error instanceof InvalidRequestError) return error.issues;
  const field = error instanceof InvalidInputError ? [error.field] : [];
  return [{ loc: ["body", ...field], msg: messageOf(error), type: "value_error" }];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "The request failed";
}

function describe(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
