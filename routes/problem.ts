import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import {
  BusyError,
  type ErrorCode,
  InvalidInputError,
  MalformedError,
  MethodNotAllowedError,
  RateLimitedError,
  TallyError,
  UnsupportedMediaTypeError,
} from "../lib/errors.ts";
import { redact } from "../lib/redaction/redact.ts";

/** How a condition is told over HTTP. */
export interface ProblemKind {
  readonly status: ContentfulStatusCode;
  readonly title: string;
}

/** Status and title of every condition. A new error code does not compile until it has its row. */
export const PROBLEMS: Readonly<Record<ErrorCode, ProblemKind>> = {
  usage: { status: 400, title: "Wrong use" },
  configuration: { status: 500, title: "Wrong settings" },
  malformed: { status: 400, title: "Unreadable request" },
  invalid_input: { status: 422, title: "Invalid input" },
  unsupported_media_type: { status: 415, title: "Unsupported media type" },
  too_large: { status: 413, title: "Too large" },
  method_not_allowed: { status: 405, title: "Wrong method" },
  not_signed_in: { status: 401, title: "Not signed in" },
  token_expired: { status: 401, title: "Sign-in expired" },
  not_allowed: { status: 403, title: "Not allowed" },
  not_found: { status: 404, title: "Not found" },
  conflict: { status: 409, title: "Conflict" },
  rate_limited: { status: 429, title: "Too many calls" },
  busy: { status: 503, title: "Busy" },
  upstream: { status: 502, title: "Wrong answer of a server" },
  unavailable: { status: 503, title: "Server unavailable" },
  timeout: { status: 504, title: "Server silent" },
  integrity: { status: 502, title: "Damaged or foreign data" },
  disk_full: { status: 507, title: "Disk full" },
  disk_failed: { status: 507, title: "Disk cannot be written" },
  docker: { status: 502, title: "Docker failed" },
  partial: { status: 502, title: "Only a part succeeded" },
  interrupted: { status: 503, title: "Stopped" },
  internal: { status: 500, title: "Internal error" },
};

/** A value in a request that is not allowed. */
export interface Fault {
  /** Name of the field, with dots where it lies deeper. */
  readonly field: string;
  readonly detail: string;
}

/** Body of every error. @see RFC 9457 */
export const problemSchema = z.object({
  type: z.string().openapi({ description: "Where the condition is described", example: "/docs#not_found" }),
  title: z.string().openapi({ example: "Not found" }),
  status: z.int().openapi({ example: 404 }),
  detail: z.string().openapi({ description: "One sentence about this very case", example: "There is no such call" }),
  code: z.string().openapi({ description: "The condition, for programs", example: "not_found" }),
  errors: z.array(z.object({ field: z.string(), detail: z.string() })).optional()
    .openapi({ description: "The fields that are wrong, with status 422" }),
}).openapi("Problem");

/** What a caller is told of `error`: its own message when it is one of ours, else nothing of it. */
export function problemOf(error: unknown, faults: readonly Fault[] = faultsOf(error)): z.infer<typeof problemSchema> {
  const { code, message } = expectedError(error) ??
    { code: "internal" as const, message: "Something failed that must not" };
  const { status, title } = PROBLEMS[code];
  return {
    type: `/docs#${code}`,
    title,
    status,
    detail: redact(message),
    code,
    ...(faults.length === 0 ? {} : { errors: faults.map(({ field, detail }) => ({ field, detail: redact(detail) })) }),
  };
}

/** Answers with a problem body, and the headers that belong to its status. */
export function problemAnswer(c: Context, error: unknown, faults?: readonly Fault[]): Response {
  const problem = problemOf(error, faults);
  if (error instanceof RateLimitedError || error instanceof BusyError) {
    c.header("Retry-After", String(error.retryAfterSeconds));
  }
  if (error instanceof MethodNotAllowedError) c.header("Allow", error.methods.join(", "));
  if (problem.status === 401) c.header("WWW-Authenticate", "Bearer");
  return c.body(JSON.stringify(problem), PROBLEMS[problem.code as ErrorCode].status, {
    "Content-Type": "application/problem+json",
  });
}

/** The error in the terms of ours: what the framework throws is translated, `undefined` is a fault of the program. */
export function expectedError(error: unknown): TallyError | undefined {
  if (error instanceof TallyError) return error;
  if (!(error instanceof HTTPException)) return undefined;
  if (error.status === 400) return new MalformedError("The body is not valid JSON", { cause: error });
  if (error.status !== 415) return undefined;
  return new UnsupportedMediaTypeError("This call does not take a body of that content type", { cause: error });
}

function faultsOf(error: unknown): readonly Fault[] {
  return error instanceof InvalidInputError ? [{ field: error.field, detail: error.message }] : [];
}
