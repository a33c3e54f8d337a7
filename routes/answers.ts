import type { RouteConfig, z } from "@hono/zod-openapi";
import type { ErrorCode } from "../lib/errors.ts";
import { PROBLEMS, problemSchema } from "./problem.ts";

type Answers = RouteConfig["responses"];
type Json<T> = { content: { "application/json": { schema: T } } };

/** The OpenAPI entry of a JSON answer. */
export function jsonAnswer<T extends z.ZodType>(description: string, schema: T): { description: string } & Json<T> {
  return { description, content: { "application/json": { schema } } };
}

/** The OpenAPI entry of a JSON body that must be there. */
export function jsonBody<T extends z.ZodType>(schema: T): { required: true } & Json<T> {
  return { required: true, content: { "application/json": { schema } } };
}

/** The OpenAPI entries of the conditions that a call may end with. */
export function problemAnswers(...codes: readonly ErrorCode[]): Answers {
  const titles = new Map<number, string[]>();
  for (const code of [...codes, "internal"] as const) {
    const { status, title } = PROBLEMS[code];
    titles.set(status, [...titles.get(status) ?? [], `${title} (\`${code}\`)`]);
  }
  return Object.fromEntries([...titles].map(([status, lines]) => [status, {
    description: lines.join("; "),
    content: { "application/problem+json": { schema: problemSchema } },
  }]));
}

/** Conditions of every call that takes a JSON body. */
export const JSON_BODY_CODES = ["malformed", "too_large", "unsupported_media_type", "invalid_input"] as const;

/** Conditions of every call that needs somebody signed in. */
export const SIGNED_IN_CODES = ["not_signed_in", "not_allowed"] as const;

/** Conditions of every call that asks a server further up. */
export const UPSTREAM_CODES = ["rate_limited", "upstream", "unavailable", "timeout"] as const;

/** A caller's token, where the device asks for one (`CALLER_AUTH=bearer`); else the session of the device counts. */
export const CALLER_SECURITY = [{}, { bearer: [] as string[] }];
