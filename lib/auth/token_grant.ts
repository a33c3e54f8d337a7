import * as oauth from "oauth4webapi";
import { Secret } from "../config/secret.ts";
import type { Issuer } from "./issuer.ts";
import { callIssuer, type OAuthDeps } from "./oauth_call.ts";

/** What an issuer gave out; nothing of it has been checked yet. */
export interface TokenGrant {
  readonly accessToken: Secret;
  /** Missing where `offline_access` was not granted, or an old one stays good. */
  readonly refreshToken: Secret | undefined;
  /** The client that the refresh token belongs to. */
  readonly clientId: string;
}

/** The grant in a token endpoint's answer. */
export function grantOf(answer: oauth.TokenEndpointResponse, clientId: string): TokenGrant {
  const { access_token, refresh_token } = answer;
  return {
    accessToken: new Secret(access_token),
    refreshToken: refresh_token === undefined ? undefined : new Secret(refresh_token),
    clientId,
  };
}

/**
 * A new access token for a refresh token. Where the issuer rotates, the old one is of no use afterwards.
 * @throws {NotSignedInError} the refresh token is not accepted any more; what else {@link callIssuer} throws
 * @see RFC 6749, 6
 */
export async function refreshGrant(
  { server }: Issuer,
  { refreshToken, clientId }: { refreshToken: Secret; clientId: string },
  deps: OAuthDeps,
  signal: AbortSignal,
): Promise<TokenGrant> {
  const client = { client_id: clientId };
  return await callIssuer(deps, signal, async (options) => {
    const answer = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken.reveal(), options);
    const grant = grantOf(await oauth.processRefreshTokenResponse(server, client, answer), clientId);
    return { ...grant, refreshToken: grant.refreshToken ?? refreshToken };
  });
}

/**
 * Makes a refresh token, and what was made from it, useless at the issuer.
 * @returns `false` when the issuer offers no revocation
 * @see RFC 7009, 2
 */
export async function revokeGrant(
  { server }: Issuer,
  { refreshToken, clientId }: { refreshToken: Secret; clientId: string },
  deps: OAuthDeps,
  signal: AbortSignal,
): Promise<boolean> {
  if (server.revocation_endpoint === undefined) return false;
  const client = { client_id: clientId };
  await callIssuer(deps, signal, async (options) => {
    const answer = await oauth.revocationRequest(server, client, oauth.None(), refreshToken.reveal(), options);
    await oauth.processRevocationResponse(answer);
  });
  return true;
}
