import type { MiddlewareHandler } from "hono";
import { NotAllowedError } from "../lib/errors.ts";

const METHODS = "GET, HEAD, POST";
const SENT_HEADERS = "Authorization, Content-Type, If-None-Match, If-Range, Range, X-Request-Id";
const SHOWN_HEADERS = "Content-Length, Content-Range, ETag, Retry-After, X-Request-Id, X-Tally-Format, X-Tally-Source";
const PREFLIGHT_SECONDS = "600";

/**
 * Lets web pages of exactly these origins call the device, and read what it answers. No cookie or other credential of the browser belongs to a call.
 * @throws {NotAllowedError} a page of another origin asks whether it may call, from the middleware
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function corsFor(origins: readonly string[]): MiddlewareHandler {
  return async (c, next) => {
    c.header("Vary", "Origin");
    const { origin, "access-control-request-method": method, "access-control-request-private-network": network } = c.req
      .header();
    const isPreflight = c.req.method === "OPTIONS" && method !== undefined;
    if (origin === undefined || !origins.includes(origin)) {
      if (isPreflight) throw new NotAllowedError("Web pages of other sites may not call this device");
      return await next();
    }
    c.header("Access-Control-Allow-Origin", origin);
    if (!isPreflight) {
      c.header("Access-Control-Expose-Headers", SHOWN_HEADERS);
      return await next();
    }
    c.header("Access-Control-Allow-Methods", METHODS);
    c.header("Access-Control-Allow-Headers", SENT_HEADERS);
    c.header("Access-Control-Max-Age", PREFLIGHT_SECONDS);
    if (network === "true") c.header("Access-Control-Allow-Private-Network", "true");
    return c.body(null, 204);
  };
}
