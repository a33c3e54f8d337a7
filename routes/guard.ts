import type { Context, MiddlewareHandler } from "hono";
import type { VerifyToken } from "../lib/auth/claims.ts";
import { type Role, ROLES, type User } from "../lib/auth/roles.ts";
import type { Session } from "../lib/auth/session.ts";
import type { Settings } from "../lib/config/options.ts";
import { NotAllowedError, NotSignedInError } from "../lib/errors.ts";
import { noteForAudit } from "./audit.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** Whom {@link requireRole} has let through. */
    caller: User;
  }
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** Every role, `NONE` included: for calls that need somebody signed in and nothing more. */
export const ANY_ROLE: readonly Role[] = Object.keys(ROLES) as Role[];

/** What a guard decides by. */
export interface GuardServices {
  readonly settings: Pick<Settings, "callerAuth">;
  readonly session: Session;
  readonly verify: VerifyToken;
}

/**
 * Lets a call through when its caller has one of `roles`; it decides before the body is read. With `CALLER_AUTH=session`
 * the caller is whoever is signed in on the device; with `bearer` it is whom the token of this very call names, and the
 * session only serves for what the device itself asks of the API.
 * @throws {NotSignedInError} or {NotAllowedError}, from the middleware
 */
export function requireRole(services: GuardServices, roles: readonly Role[]): MiddlewareHandler {
  return async (c, next) => {
    const caller = await callerOf(services, c);
    const { email: who, role } = caller;
    noteForAudit(c, { who, role });
    c.set("caller", caller);
    if (!roles.includes(role)) {
      throw new NotAllowedError(`The role ${role} may not do this; it takes ${roles.join(", ")}`);
    }
    await next();
  };
}

async function callerOf({ settings, session, verify }: GuardServices, c: Context): Promise<User> {
  if (settings.callerAuth === "bearer") return (await verify(bearerToken(c))).user;
  const user = session.user();
  if (user === undefined) throw new NotSignedInError("Nobody is signed in on this device");
  return user;
}

function bearerToken(c: Context): string {
  const token = BEARER.exec(c.req.header("authorization") ?? "")?.[1];
  if (token === undefined) throw new NotSignedInError("This device asks for a bearer token with every call");
  return token;
}
