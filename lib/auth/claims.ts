import { decodeJwt, errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from "jose";
import type { Bytes } from "../bytes.ts";
import { NotSignedInError, TallyError, UnavailableError, UpstreamError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { checkTokenForm } from "./compact_token.ts";
import { remoteKeySet } from "./key_set.ts";
import { parseRole, type Role, ROLES, type User } from "./roles.ts";

/** Clocks of devices are off by up to this much. */
const LEEWAY_SECONDS = 60;
/** An unknown `kid` makes us ask for new keys at most this often; whoever signs in right after a rotation waits that long. */
const JWKS_COOLDOWN_MS = 1_000;
/** A key that the issuer has withdrawn is accepted no longer than this. */
const JWKS_AGE_LIMIT_MS = 10 * 60_000;

const NAME_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims";
const MICROSOFT_CLAIMS = "http://schemas.microsoft.com/ws/2008/06/identity/claims";
const ID_CLAIMS = ["nameid", "sub", `${NAME_CLAIMS}/nameidentifier`];
const EMAIL_CLAIMS = ["unique_name", "email", `${NAME_CLAIMS}/name`, `${NAME_CLAIMS}/emailaddress`];
const ROLE_CLAIMS = ["role", `${MICROSOFT_CLAIMS}/role`];

/** What a valid token says. */
export interface TokenFacts {
  readonly user: User;
  readonly expiresAtMs: number;
}

/**
 * Checks a token and reads its claims.
 * @throws {NotSignedInError} the token is not valid; {UnavailableError} or {UpstreamTimeoutError} the keys cannot be fetched;
 * {UpstreamError} what was fetched is not a key set
 */
export type VerifyToken = (token: string) => Promise<TokenFacts>;

/** Which tokens are accepted. */
export interface TokenRules {
  readonly jwksUrl: URL;
  /** Key of HS256; must be there exactly when `algorithms` has HS256. */
  readonly hs256Secret?: Bytes | undefined;
  /** The only algorithms that are accepted, whatever the token says. */
  readonly algorithms: readonly string[];
  /** A token must name one of them; any unless given. */
  readonly issuer?: readonly string[] | undefined;
  /** A token must name one of them; any unless given. */
  readonly audience?: readonly string[] | undefined;
  readonly http: HttpClient;
  readonly clock: Clock;
}

/**
 * A verifier of signature, `exp` (required) and `nbf` with 60 s leeway, issuer and audience where they are set.
 * HS256 uses the secret and nothing else; all other algorithms use the published keys and nothing else, so that a public
 * key can never serve as a secret.
 * @throws {TypeError} HS256 is allowed without a secret
 * @see RFC 8725, 3.1 and 3.2
 */
export function tokenVerifier(rules: TokenRules): VerifyToken {
  const { algorithms, issuer, audience, clock } = rules;
  const getKey = keySource(rules);
  return async (token) => {
    checkTokenForm(token, invalid);
    try {
      const { payload } = await jwtVerify(token, getKey, {
        algorithms: [...algorithms],
        clockTolerance: LEEWAY_SECONDS,
        currentDate: new Date(clock.now()),
        requiredClaims: ["exp"],
        ...(issuer === undefined ? {} : { issuer: [...issuer] }),
        ...(audience === undefined ? {} : { audience: [...audience] }),
      });
      return readClaims(payload);
    } catch (error) {
      throw translate(error, rules.jwksUrl);
    }
  };
}

/** A reader of claims that does not check the signature (`JWT_VERIFY=off`), only form, `exp` and `nbf`. */
export function unverified(clock: Clock = systemClock): VerifyToken {
  // deno-lint-ignore require-await -- errors must reject
  return async (token) => {
    checkTokenForm(token, invalid);
    try {
      const payload = decodeJwt(token);
      checkTimes(payload, Math.floor(clock.now() / 1000));
      return readClaims(payload);
    } catch (error) {
      throw error instanceof errors.JOSEError ? invalid("it is not a token", error) : error;
    }
  };
}

function keySource({ jwksUrl, hs256Secret, algorithms, http }: TokenRules): JWTVerifyGetKey {
  if (algorithms.includes("HS256") && hs256Secret === undefined) throw new TypeError("HS256 needs a secret");
  const published = remoteKeySet({
    url: jwksUrl,
    service: "API",
    http,
    cooldownMs: JWKS_COOLDOWN_MS,
    maxAgeMs: JWKS_AGE_LIMIT_MS,
  });
  return (header, token) => {
    if (header.alg !== "HS256") return published(header, token);
    if (hs256Secret === undefined) throw new errors.JOSEAlgNotAllowed("HS256 is not allowed");
    return hs256Secret;
  };
}

function checkTimes({ exp, nbf }: JWTPayload, nowSeconds: number): void {
  if (typeof exp !== "number") throw invalid("it has no expiry");
  if (exp <= nowSeconds - LEEWAY_SECONDS) throw invalid("it has expired, by the clock of this machine");
  if (typeof nbf === "number" && nbf > nowSeconds + LEEWAY_SECONDS) throw invalid("it is not valid yet");
}

function readClaims(payload: JWTPayload): TokenFacts {
  const email = firstText(payload, EMAIL_CLAIMS);
  const id = firstText(payload, ID_CLAIMS) ?? email;
  if (email === undefined || id === undefined) throw invalid("it does not say whose it is");
  if (payload.exp === undefined) throw invalid("it has no expiry");
  return { user: { id, email, role: strongestRole(payload) }, expiresAtMs: payload.exp * 1000 };
}

function firstText(payload: JWTPayload, names: readonly string[]): string | undefined {
  return names.map((name) => payload[name]).find((value): value is string => typeof value === "string" && value !== "");
}

/** .NET writes several roles as an array. */
function strongestRole(payload: JWTPayload): Role {
  const roles = ROLE_CLAIMS.flatMap((name) => payload[name]).map(parseRole);
  return roles.reduce((best, role) => ROLES[role] > ROLES[best] ? role : best, "NONE");
}

function translate(error: unknown, jwksUrl: URL): unknown {
  if (error instanceof TallyError) {
    // jose's own time limit comes as an abort
    return error.code === "interrupted" ? unreachable(jwksUrl) : error;
  }
  if (error instanceof errors.JWKSTimeout) return unreachable(jwksUrl);
  if (error instanceof errors.JWKSInvalid) return notKeys(jwksUrl);
  if (error instanceof errors.JWTExpired) return invalid("it has expired, by the clock of this machine", error);
  if (error instanceof errors.JWTClaimValidationFailed) {
    return invalid(`its claim "${error.claim}" is not accepted`, error);
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return invalid("its signature algorithm is not accepted", error);
  if (error instanceof errors.JOSEError && error.code === "ERR_JOSE_GENERIC") return notKeys(jwksUrl);
  if (error instanceof errors.JOSEError) return invalid("it cannot be verified", error);
  return error;
}

function invalid(why: string, cause?: Error): NotSignedInError {
  return new NotSignedInError(`The token is not valid: ${why}`, { cause });
}

function unreachable(jwksUrl: URL): UnavailableError {
  return new UnavailableError("API", `The API at ${jwksUrl.host} does not send its keys in time`);
}

function notKeys(jwksUrl: URL): UpstreamError {
  return new UpstreamError("API", `The API at ${jwksUrl.host} answers with something that is not a key set`);
}
