import type { MiddlewareHandler } from "hono";
import { NotAllowedError } from "../lib/errors.ts";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const OWN_SITES: ReadonlySet<string> = new Set(["same-origin", "none"]);

/**
 * Keeps web pages of others, but for those of `origins`, away from a device where local callers need no token (`CALLER_AUTH=session`): a browser on the
 * device would let any page post forms to loopback. Programs that are no browsers send none of these headers and are not concerned.
 * @see https://www.w3.org/TR/fetch-metadata/
 */
export function ownPagesOnly(origins: readonly string[] = []): MiddlewareHandler {
  return async (c, next) => {
    const own = new URL(c.req.url).origin;
    const { origin = own, "sec-fetch-site": site = "none" } = c.req.header();
    const isForeign = origin !== own || !OWN_SITES.has(site);
    if (isForeign && !origins.includes(origin) && !SAFE_METHODS.has(c.req.method)) {
      throw new NotAllowedError("Web pages of other sites may not call this device");
    }
    await next();
  };
}
