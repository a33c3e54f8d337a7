import type { Context, MiddlewareHandler } from "hono";
import { type AuditEvent, isNobodys } from "../lib/audit/audit_line.ts";
import { messageOf } from "../lib/errors.ts";
import type { Services } from "../lib/services.ts";
import { clientOf } from "./client_address.ts";
import { expectedError } from "./problem.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** What a handler knows of its call before it can fail, for the audit trail. */
    audited: Partial<Pick<AuditEvent, "action" | "who" | "role" | "resource" | "version">>;
  }
}

/** The calls that stand in the trail. */
const ACTIONS: readonly (readonly [method: string, path: RegExp, action: string])[] = [
  ["POST", /^\/login$/, "sign_in"],
  ["POST", /^\/logout$/, "sign_out"],
  ["POST", /^\/load\//, "load"],
  ["GET", /^\/resources\//, "load"],
  ["POST", /^\/upload\//, "upload"],
  ["POST", /^\/unlock$/, "unlock"],
];

/** Adds to what the trail will say of this call. */
export function noteForAudit(c: Context, facts: Context["var"]["audited"]): void {
  c.set("audited", { ...c.get("audited"), ...facts });
}

/**
 * Writes a line into the audit trail for each call that signs in or out, loads, uploads or unlocks, before its answer leaves.
 * Refusals of callers whom nobody knows stand in the log only ({@link isNobodys}). A device whose disk is full or read-only goes on without, and its log says so.
 */
export function auditTrail({ audit, log }: Pick<Services, "audit" | "log">): MiddlewareHandler {
  return async (c, next) => {
    await next();
    const { method, path } = c.req;
    const action = ACTIONS.find(([verb, pattern]) => verb === method && pattern.test(path))?.[2];
    if (action === undefined) return;
    const [noted, result] = [c.get("audited"), resultOf(c)];
    if (isNobodys(noted?.who, result)) return;
    const event = {
      action,
      resource: nameIn(path),
      ...noted,
      from: clientOf(c),
      result,
      requestId: c.get("requestId"),
    };
    try {
      await audit.record(event);
    } catch (error) {
      log.error("audit_failed", { requestId: c.get("requestId"), action, error: messageOf(error) });
    }
  };
}

/** What a call was about that was refused before its body was read. */
function nameIn(path: string): string | undefined {
  const [, , ...names] = path.split("/");
  return names.length === 0 ? undefined : names.join("/");
}

function resultOf(c: Context): string {
  if (c.error !== undefined) return expectedError(c.error)?.code ?? "internal";
  return c.res.status < 400 ? "ok" : `status ${c.res.status}`;
}
