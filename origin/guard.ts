import type { MiddlewareHandler } from "hono";
import type { RequestIdVariables } from "hono/request-id";
import type { AuditEvent } from "../lib/audit/audit_line.ts";
import type { Role } from "../lib/auth/roles.ts";
import type { Call } from "../lib/http/running_calls.ts";
import { NotAllowedError, NotSignedInError } from "../lib/errors.ts";
import type { SignedIn, Tokens } from "./tokens.ts";

/** What the origin keeps with a request. */
export interface OriginEnv {
  /** Who is at the other end of the connection is a client, or the proxy in front of the origin. */
  Bindings: Call;
  Variables: RequestIdVariables & {
    /** Set behind {@link requireSignIn}. */
    signedIn: SignedIn;
    /** The account that a sign-in named, for the audit trail. */
    nameTyped?: string;
    /** What the call is about, for the audit trail. */
    audited?: Pick<AuditEvent, "resource" | "version">;
    /** E-mail address of who calls the platform, for the audit trail. */
    platformUser?: string;
  };
}

/** Lets only signed-in accounts with one of the roles pass; without `roles`, every signed-in account. */
export function requireSignIn(tokens: Tokens, roles?: readonly Role[]): MiddlewareHandler<OriginEnv> {
  return async (c, next) => {
    const token = bearerToken(c.req.header("authorization"));
    if (token === undefined) throw new NotSignedInError("The call needs a bearer token");
    const signedIn = await tokens.verify(token);
    c.set("signedIn", signedIn);
    if (roles !== undefined && !roles.includes(signedIn.account.role)) {
      throw new NotAllowedError(`The role ${signedIn.account.role} may not do this`);
    }
    await next();
  };
}

/** The token of an `Authorization: Bearer …` header. @see RFC 6750, 2.1 */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i.exec(header ?? "")?.[1];
}
