import type { Account } from "../accounts.ts";

/** Audience of the access tokens: the platform API and the Resource API of this origin. */
export const PLATFORM_AUDIENCE = "https://tallystick-platform";

/** What an access token says of its account, beside `iss`, `sub`, `iat`, `exp`, `scope`, `client_id` and `jti`. */
export interface AccessClaims {
  readonly aud: readonly [string];
  /** The client that it was issued to. */
  readonly azp: string;
  readonly org_id: string;
  readonly email: string;
  /** Role in the Resource API; devices read it. */
  readonly role: string;
  /** Id of the consent; the origin accepts the token no longer than that stands. */
  readonly grant_id: string;
}

/** The claims of an access token. The role in the organisation stands under `<audience>/role`, as the platform has it. */
export function accessClaims(account: Account, { clientId, grantId }: { clientId: string; grantId: string }) {
  const claims: AccessClaims = {
    aud: [PLATFORM_AUDIENCE],
    azp: clientId,
    org_id: account.organizationId,
    email: account.email,
    role: account.role,
    grant_id: grantId,
  };
  return { ...claims, [`${PLATFORM_AUDIENCE}/role`]: account.organizationRole };
}
