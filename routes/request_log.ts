import type { MiddlewareHandler } from "hono";
import type { Logger } from "../lib/log.ts";
import type { Clock } from "../lib/system/clock.ts";

const PATH_LIMIT = 200;

/** Writes one event per call when its answer begins: method, path, status, time. Neither query nor body, which may be secret. */
export function requestLog({ log, clock }: { log: Logger; clock: Clock }): MiddlewareHandler {
  return async (c, next) => {
    const startMs = clock.now();
    await next();
    log.info("request", {
      requestId: c.get("requestId"),
      method: c.req.method,
      path: c.req.path.slice(0, PATH_LIMIT),
      status: c.res.status,
      durationMs: clock.now() - startMs,
    });
  };
}
