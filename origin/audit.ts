import type { Context, MiddlewareHandler } from "hono";
import { isNobodys } from "../lib/audit/audit_line.ts";
import type { AuditTrail } from "../lib/audit/audit_trail.ts";
import { messageOf, TallyError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { BusinessError } from "./business_error.ts";
import type { OriginEnv } from "./guard.ts";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Reading calls that hand out what opens a resource. */
const HANDED_OUT = /^\/(binary-split\/key-fragment$|v2\/resources\/[^/]+\/[^/]+$)/;
const NOT_MODIFIED = 304;
const PATH_LIMIT = 200;

/**
 * Writes a line into the audit trail for each call that may change something or hands out a key, before its answer leaves. The path
 * says what it was about; queries, which may hold signatures, are left out, and so are refusals of callers whom nobody knows. An origin that cannot write it goes on, and its log
 * says so.
 */
export function auditTrail({ audit, log }: {
  readonly audit: Pick<AuditTrail, "record">;
  readonly log: Logger;
}): MiddlewareHandler<OriginEnv> {
  return async (c, next) => {
    await next();
    const { method, path } = c.req;
    if (SAFE_METHODS.has(method) && (!HANDED_OUT.test(path) || c.res.status === NOT_MODIFIED)) return;
    const account = c.get("signedIn")?.account;
    const who = account?.email ?? c.get("platformUser") ?? c.get("nameTyped");
    const result = resultOf(c);
    if (isNobodys(who, result)) return;
    const requestId = c.get("requestId");
    try {
      await audit.record({
        action: `${method} ${path.slice(0, PATH_LIMIT)}`,
        who,
        role: account?.role,
        ...c.get("audited"),
        from: c.env.remoteAddr.hostname,
        result,
        requestId,
      });
    } catch (error) {
      log.error("audit_failed", { requestId, error: messageOf(error) });
    }
  };
}

function resultOf(c: Context<OriginEnv>): string {
  if (c.error instanceof BusinessError) return c.error.reason ?? c.error.code;
  if (c.error instanceof TallyError) return c.error.code;
  return c.res.status < 400 ? "ok" : `status ${c.res.status}`;
}
