import type { MiddlewareHandler } from "hono";
import { requestBody } from "../lib/http/request_body.ts";
import { collect } from "../lib/streams.ts";

const JSON_BODY_LIMIT_BYTES = 64 * 1024;
const JSON_BODY_LIMIT_MS = 30_000;

/**
 * Takes the body of a call before anything else looks at it: 64 KiB at most, within half a minute.
 * @throws {TooLargeError} {MalformedError} {TallyError} with the code `timeout`, from the middleware
 */
export const timelyBody: MiddlewareHandler = async (c, next) => {
  const { raw } = c.req;
  if (raw.body !== null) {
    const body = requestBody(raw, JSON_BODY_LIMIT_BYTES, raw.signal, { wholeMs: JSON_BODY_LIMIT_MS });
    c.req.raw = new Request(raw, { body: await collect(body, JSON_BODY_LIMIT_BYTES) });
  }
  await next();
};
