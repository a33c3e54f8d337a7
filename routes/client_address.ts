import type { Context } from "hono";
import { getConnInfo } from "hono/deno";

/** The address that a call comes from; never one that the call itself names. */
export function clientOf(c: Context): string {
  return getConnInfo(c).remote.address ?? "unknown";
}
