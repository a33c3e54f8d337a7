import type { MiddlewareHandler } from "hono";
import { isLoopback } from "../lib/http/loopback.ts";
import { MalformedError, NotAllowedError } from "../lib/errors.ts";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const OWN_SITES: ReadonlySet<string> = new Set(["same-origin", "none"]);

/**
 * Keeps web pages of others away from a device where local callers need no token (`CALLER_AUTH=session`): a browser on the
 * device would let any page post forms to loopback, and read answers after it has pointed its own host name there.
 * Programs that are no browsers send none of these headers and are not concerned.
 * @see https://www.w3.org/TR/fetch-metadata/
 */
export const ownPagesOnly: MiddlewareHandler = async (c, next) => {
  if (!URL.canParse(c.req.url)) throw new MalformedError("The Host header is not an address");
  const { hostname, origin } = new URL(c.req.url);
  if (!isLoopback(hostname)) {
    throw new NotAllowedError(`This device is to be called as localhost or 127.0.0.1, not as "${hostname}"`);
  }
  const foreign = !OWN_SITES.has(c.req.header("sec-fetch-site") ?? "none") ||
    (c.req.header("origin") ?? origin) !== origin;
  if (foreign && !SAFE_METHODS.has(c.req.method)) {
    throw new NotAllowedError("Web pages of other sites may not call this device");
  }
  await next();
};
