import type { Context, MiddlewareHandler } from "hono";
import { KNOWN_SECRETS } from "../lib/redaction/known_secrets.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** What a call brought that nothing may show which is said of it. */
    callSecrets: DisposableStack;
  }
}

/** Forgets the secrets of a call when it has been answered, logged and written into the audit trail. */
export const callSecrets: MiddlewareHandler = async (c, next) => {
  using secrets = new DisposableStack();
  c.set("callSecrets", secrets);
  await next();
};

/** Keeps a secret that a call brought out of its answer, the log and the audit trail. */
export function holdForCall(c: Context, secret: string): void {
  c.get("callSecrets").use(KNOWN_SECRETS.hold(secret));
}
