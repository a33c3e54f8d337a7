import type { Account, Accounts } from "../accounts.ts";
import { bearerToken } from "../guard.ts";
import { NotSignedInError } from "../../lib/errors.ts";
import type { Organizations } from "../organizations.ts";
import type { Tokens } from "../tokens.ts";
import type { Authenticate, PlatformCaller, PlatformDirectory, PlatformRole } from "./caller.ts";

/** An account as the platform sees it. An ApiAdmin decides over all organisations. */
export function callerOf(account: Account): PlatformCaller {
  const { id, email, givenName, familyName, organizationId, organizationRole, role } = account;
  const platformRole: PlatformRole = role === "ApiAdmin" ? "super_admin" : organizationRole;
  return { userId: id, email, emailVerified: true, givenName, familyName, organizationId, role: platformRole };
}

/** Accepts the access tokens of the issuer, and the tokens of `POST /login`. */
export function tokenCallers(tokens: Tokens): Authenticate {
  return async (c) => {
    const token = bearerToken(c.req.header("authorization"));
    if (token === undefined) throw new NotSignedInError("The call needs a bearer token");
    return callerOf((await tokens.verify(token)).account);
  };
}

/** The accounts and organisations of this origin. */
export function directoryOf(accounts: Accounts, organizations: Organizations): PlatformDirectory {
  return {
    organization: (id) => organizations.byId(id),
    userId: (email) => accounts.byEmail(email)?.id,
  };
}
