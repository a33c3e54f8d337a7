import type { Context } from "hono";
import type { Call } from "../lib/http/running_calls.ts";

/** What the server tells of a call beside its request. */
export function callOf(c: Context): Call {
  return c.env;
}
