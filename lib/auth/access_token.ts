import { decodeJwt, errors, type JWTPayload, jwtVerify } from "jose";
import { NotSignedInError, TallyError, TokenExpiredError, UnavailableError, UpstreamError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import type { Clock } from "../system/clock.ts";
import { checkTokenForm } from "./compact_token.ts";
import type { Issuer } from "./issuer.ts";
import { remoteKeySet } from "./key_set.ts";

/** A token of the platform that was checked. */
export interface AccessToken {
  readonly token: string;
  readonly claims: JWTPayload;
  readonly expiresAtMs: number;
}

/**
 * Checks an access token.
 * @throws {TokenExpiredError} it has expired; {NotSignedInError} it is not valid; {UnavailableError} or
 * {UpstreamTimeoutError} the keys cannot be fetched; {UpstreamError} what was fetched is no key set
 */
export type VerifyAccessToken = (token: string) => Promise<AccessToken>;

/** What a verifier needs beside its issuer. */
export interface VerifierOptions {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly leewayMs: number;
  /** How long fetched keys are kept. */
  readonly keyAgeMs: number;
}

/** An unknown `kid` makes us ask for new keys at most this often. */
const KEY_COOLDOWN_MS = 10_000;

/**
 * A verifier of signature, `iss`, `aud`, `exp` (required) and `nbf`. The algorithm is one of the issuer's, whatever the
 * token says; keys are only those that the issuer publishes, so that none of them can serve as a secret.
 * @see RFC 8725, 3.1, 3.2, 3.8 and 3.9; RFC 9068, 4
 */
export function accessTokenVerifier(
  { names, audience, algorithms, jwksUrl }: Issuer,
  { http, clock, leewayMs, keyAgeMs }: VerifierOptions,
): VerifyAccessToken {
  const keys = remoteKeySet({ url: jwksUrl, service: "issuer", http, cooldownMs: KEY_COOLDOWN_MS, maxAgeMs: keyAgeMs });
  return async (token) => {
    checkTokenForm(token, invalid);
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: [...algorithms],
        issuer: [...names],
        audience,
        clockTolerance: Math.floor(leewayMs / 1000),
        currentDate: new Date(clock.now()),
        requiredClaims: ["exp"],
      });
      return accepted(token, payload);
    } catch (error) {
      throw translate(error, jwksUrl);
    }
  };
}

/**
 * A token as it stands, when its issuer cannot be asked for its keys: only form and expiry are looked at. Whoever gets the
 * token checks it anyway; this keeps us from sending what is of no use.
 * @throws {TokenExpiredError}, {NotSignedInError}
 */
export function readUnverified(token: string, clock: Clock): AccessToken {
  checkTokenForm(token, invalid);
  try {
    const read = accepted(token, decodeJwt(token));
    if (read.expiresAtMs <= clock.now()) throw expired();
    return read;
  } catch (error) {
    throw error instanceof errors.JOSEError ? invalid("it is not a token", error) : error;
  }
}

/** The claims of a token that somebody else has checked, or will; `undefined` when it is not a JWT. */
export function readClaims(token: string): JWTPayload | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}

function accepted(token: string, claims: JWTPayload): AccessToken {
  if (typeof claims.exp !== "number") throw invalid("it has no expiry");
  return { token, claims, expiresAtMs: claims.exp * 1000 };
}

function translate(error: unknown, jwksUrl: URL): unknown {
  if (error instanceof TallyError) {
    // jose's own time limit comes as an abort
    return error.code === "interrupted" ? unreachable(jwksUrl) : error;
  }
  if (error instanceof errors.JWKSTimeout) return unreachable(jwksUrl);
  if (error instanceof errors.JWKSInvalid) return notKeys(jwksUrl);
  if (error instanceof errors.JWTExpired) return expired(error);
  if (error instanceof errors.JWTClaimValidationFailed) {
    return invalid(`its claim "${error.claim}" is not accepted`, error);
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return invalid("its signature algorithm is not accepted", error);
  if (error instanceof errors.JOSEError && error.code === "ERR_JOSE_GENERIC") return notKeys(jwksUrl);
  if (error instanceof errors.JOSEError) return invalid("it cannot be verified", error);
  return error;
}

function expired(cause?: Error): TokenExpiredError {
  return new TokenExpiredError("The token of the platform has expired", { cause });
}

function invalid(why: string, cause?: Error): NotSignedInError {
  return new NotSignedInError(`The token of the platform is not valid: ${why}`, { cause });
}

function unreachable(jwksUrl: URL): UnavailableError {
  return new UnavailableError("issuer", `The issuer at ${jwksUrl.host} does not send its keys in time`);
}

function notKeys(jwksUrl: URL): UpstreamError {
  return new UpstreamError("issuer", `The issuer at ${jwksUrl.host} answers with something that is not a key set`);
}
