import type { JWTPayload } from "jose";
import type { Me, OrganizationData, UserData } from "./account_wire.ts";
import { maskMe } from "./masking.ts";

/** What the claims of an access token say. */
export interface TokenInfo {
  /** Who has signed it. */
  readonly issuer: string | null;
  /** Unix time in seconds. */
  readonly issued_at: number | null;
  /** Unix time in seconds. */
  readonly expires_at: number | null;
  /** What it allows. */
  readonly scope: readonly string[];
  /** Whom it is for. */
  readonly audience: readonly string[];
  /** The client that it was given to. */
  readonly authorized_party: string | null;
  /** The organisation that it was given in. */
  readonly org_id: string | null;
  /** What its owner may do in the organisation. */
  readonly role: string;
  /** Seconds that are left; 0 when it has expired. */
  readonly expires_in: number;
}

/** Who is signed in, with which role, where, and for how long. */
export interface UserInfo {
  /** What they may do in the organisation. */
  readonly role: string;
  /** `null` where the token is not one that can be read. */
  readonly token: TokenInfo | null;
  /** Whose token it is. */
  readonly user: UserData;
  /** Where they belong. */
  readonly organization: OrganizationData;
}

const ORDINARY_ROLE = "member";

/**
 * Puts what a token says and what the platform says of its owner together. Nothing of it is masked yet.
 * @param claims of a token that was checked, or that is somebody else's to check; `undefined` for one that is no JWT
 */
export function userInfo(claims: JWTPayload | undefined, { user, organization }: Me, nowMs: number): UserInfo {
  const token = claims === undefined ? null : tokenInfo(claims, nowMs);
  return { role: token?.role ?? ORDINARY_ROLE, token, user, organization };
}

/** The same with the address and every secret masked. */
export function maskUserInfo(info: UserInfo): UserInfo {
  return { ...info, ...maskMe(info) };
}

function tokenInfo(claims: JWTPayload, nowMs: number): TokenInfo {
  const audience = [claims.aud ?? []].flat();
  return {
    issuer: claims.iss ?? null,
    issued_at: claims.iat ?? null,
    expires_at: claims.exp ?? null,
    scope: textOf(claims.scope)?.split(" ").filter((word) => word !== "") ?? [],
    audience,
    authorized_party: textOf(claims.azp) ?? null,
    org_id: textOf(claims.org_id) ?? null,
    role: audience.map((name) => textOf(claims[`${name}/role`])).find((role) => role !== undefined) ?? ORDINARY_ROLE,
    expires_in: Math.max(0, (claims.exp ?? 0) - Math.floor(nowMs / 1000)),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
