import type { Account, Accounts } from "../accounts.ts";
import type { Organizations } from "../organizations.ts";
import { accessClaims, PLATFORM_AUDIENCE } from "./access_claims.ts";
import { DEFAULT_CLIENT_ID } from "./clients.ts";
import { deviceSources, renderError } from "./device_pages.ts";
import { ISSUED_LIFETIME_SECONDS, ISSUER_ALGORITHM, type IssuerKey } from "./issuer_keys.ts";
import type { ConsentGrant, OidcContext, OidcLibrary, RequestParameters } from "./library.ts";
import type { OidcRecords } from "./records.ts";

/** What the issuer is made of. */
export interface IssuerParts {
  readonly library: OidcLibrary;
  readonly records: OidcRecords;
  readonly accounts: Accounts;
  readonly organizations: Organizations;
  readonly key: IssuerKey;
  /** Secret under which cookies are signed. */
  readonly cookieKey: string;
  /** Path of the pages on which people sign in and consent, from the root of the host. */
  readonly interactionPath: string;
}

/** Seconds between two questions of a device. @see RFC 8628, 3.2 */
export const DEVICE_INTERVAL_SECONDS = 5;

const DAY_SECONDS = 24 * 3600;
const DEVICE_CODE_SECONDS = 600;
const SCOPES = ["openid", "offline_access", "email", "profile"];

/** Paths of the issuer, below the public address: those of the platform's known installations. */
export const ISSUER_ROUTES = {
  authorization: "/authorize",
  token: "/oauth/token",
  device_authorization: "/oauth/device/code",
  code_verification: "/device",
  jwks: "/.well-known/jwks.json",
  revocation: "/oauth/revoke",
} as const;

/** The settings of `oidc-provider`: public clients with PKCE or a device code, and JWT access tokens for the platform. */
export function providerConfiguration(parts: IssuerParts): object {
  const { library, records, accounts, key, cookieKey, interactionPath } = parts;
  return {
    adapter: (model: string) =>
      records.adapter(model, {
        consumed: () => new library.errors.InvalidGrant(`${model} was used already`),
        full: () => new library.errors.TemporarilyUnavailable("too many sign-ins are under way"),
      }),
    jwks: { keys: [key] },
    routes: ISSUER_ROUTES,
    cookies: cookieSettings(cookieKey),
    scopes: SCOPES,
    claims: { openid: ["sub"], email: ["email"], profile: ["name", "given_name", "family_name"] },
    conformIdTokenClaims: false,
    responseTypes: ["code"],
    clientAuthMethods: ["none"],
    clientBasedCORS: () => false,
    pkce: { required: () => true },
    extraParams: ["audience", "organization"],
    ttl: lifetimes(),
    findAccount: (_context: OidcContext, id: string) => Promise.resolve(findAccount(accounts, id)),
    loadExistingGrant: loadGrant,
    interactions: {
      policy: interactionPolicy(parts),
      url: (_context: OidcContext, { uid }: { uid: string }) => Promise.resolve(`${interactionPath}/${uid}`),
    },
    formats: { customizers: { jwt: jwtCustomizer(parts) } },
    renderError,
    discovery: { tallystick_audience: PLATFORM_AUDIENCE, tallystick_client_id: DEFAULT_CLIENT_ID },
    features: features(parts),
  };
}

function features({ library }: IssuerParts): object {
  return {
    devInteractions: { enabled: false },
    dPoP: { enabled: false },
    pushedAuthorizationRequests: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    userinfo: { enabled: false },
    revocation: {
      enabled: true,
      allowedPolicy: (_context: OidcContext, client: { clientId: string }, token: { clientId: string }) =>
        client.clientId === token.clientId,
    },
    deviceFlow: { enabled: true, charset: "base-20", mask: "****-****", deviceInfo: () => ({}), ...deviceSources },
    resourceIndicators: {
      enabled: true,
      defaultResource: (context: OidcContext, _client: object, oneOf?: string | string[]) =>
        Promise.resolve(oneOf ?? context.oidc?.params?.audience ?? PLATFORM_AUDIENCE),
      useGrantedResource: () => Promise.resolve(true),
      getResourceServerInfo: (_context: OidcContext, resource: string) => resourceServer(resource, library),
    },
  };
}

function resourceServer(resource: string, library: OidcLibrary): Promise<object> {
  if (resource !== PLATFORM_AUDIENCE) return Promise.reject(new library.errors.InvalidTarget());
  return Promise.resolve({
    audience: PLATFORM_AUDIENCE,
    scope: SCOPES.join(" "),
    accessTokenFormat: "jwt",
    accessTokenTTL: ISSUED_LIFETIME_SECONDS,
    jwt: { sign: { alg: ISSUER_ALGORITHM } },
  });
}

/** A consent is kept for longer than any refresh token under it, and each of those lives on by being exchanged. */
function lifetimes(): object {
  return {
    AccessToken: ISSUED_LIFETIME_SECONDS,
    IdToken: ISSUED_LIFETIME_SECONDS,
    AuthorizationCode: 60,
    DeviceCode: DEVICE_CODE_SECONDS,
    Interaction: 1800,
    Session: (_context: OidcContext, { accountId }: { accountId?: string }) =>
      accountId === undefined ? DEVICE_CODE_SECONDS : DAY_SECONDS / 2,
    RefreshToken: 30 * DAY_SECONDS,
    Grant: 365 * DAY_SECONDS,
  };
}

function cookieSettings(cookieKey: string): object {
  const flags = { httpOnly: true, sameSite: "lax", signed: true, overwrite: true };
  return {
    keys: [cookieKey],
    names: { session: "tally_session", interaction: "tally_interaction", resume: "tally_resume" },
    long: flags,
    short: flags,
  };
}

function findAccount(accounts: Accounts, id: string): object | undefined {
  const account = accounts.byId(id);
  if (!account?.enabled) return undefined;
  const { email, givenName, familyName } = account;
  const name = [givenName, familyName].filter((part) => part !== undefined).join(" ");
  const claims = { sub: id, email, ...(name === "" ? {} : { name, given_name: givenName, family_name: familyName }) };
  return { accountId: id, claims: () => Promise.resolve(claims) };
}

/** Every sign-in has a consent of its own, so that signing out of one program signs out of no other. */
async function loadGrant({ oidc }: OidcContext): Promise<ConsentGrant | undefined> {
  const grantId = oidc?.result?.consent?.grantId;
  return grantId === undefined ? undefined : await oidc?.provider.Grant.find(grantId);
}

function interactionPolicy({ library, accounts, organizations }: IssuerParts): object {
  const policy = library.interactionPolicy.base();
  const unfit = new library.interactionPolicy.Check(
    "account",
    "the account is disabled, gone, or of another organization",
    ({ oidc }) => {
      const account = accounts.byId(oidc?.session?.accountId ?? "");
      return !account?.enabled || !belongsTo(account, oidc?.params, organizations);
    },
  );
  policy.get("login").checks.add(unfit);
  return policy;
}

/** Whether an account is one of the organisation that was asked for, by its id or name. */
export function belongsTo(
  { organizationId }: Account,
  parameters: RequestParameters | undefined,
  organizations: Organizations,
): boolean {
  const wanted = parameters?.organization;
  if (wanted === undefined || wanted === organizationId) return true;
  return organizations.byId(organizationId)?.name === wanted;
}

interface IssuedToken {
  readonly accountId: string;
  readonly clientId: string;
  readonly grantId: string;
}

function jwtCustomizer({ accounts, library }: IssuerParts) {
  return (_context: OidcContext, token: IssuedToken, { payload }: { payload: object }): Promise<void> => {
    const account = accounts.byId(token.accountId);
    if (!account?.enabled) return Promise.reject(new library.errors.InvalidGrant("the account is disabled or gone"));
    Object.assign(payload, accessClaims(account, token));
    return Promise.resolve();
  };
}
