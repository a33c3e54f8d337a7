import {
  calculateJwkThumbprint,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  jwtVerify,
  SignJWT,
} from "jose";
import { z } from "zod";
import { NotSignedInError } from "../lib/errors.ts";
import type { Clock } from "../lib/system/clock.ts";
import type { Account, Accounts } from "./accounts.ts";
import type { AccessTokens } from "./oidc/access_tokens.ts";
import type { Row, State } from "./state.ts";

/** Issuer of all tokens. */
export const TOKEN_ISSUER = "AzaionApi";
/** Audience of all tokens: one string, as v1 clients know it. */
export const TOKEN_AUDIENCE = "Annotators/OrangePi/Admins";

const ALGORITHM = "ES256";
const LIFETIME_SECONDS = 4 * 3600;

/** Whose token it is. */
export interface SignedIn {
  /** As it stands now, not when the token was made. */
  readonly account: Account;
  /** The e-mail address in the spelling of the sign-in: v1 clients derive their download key from it. */
  readonly spelledEmail: string;
}

/** A signing key with its private half. */
export interface SigningKey {
  readonly kid: string;
  readonly privateJwk: string;
}

const privateJwkSchema = z.object({
  kty: z.literal("EC"),
  crv: z.string(),
  x: z.string(),
  y: z.string(),
  d: z.string(),
});
const claimsSchema = z.object({ nameid: z.string(), unique_name: z.string() });

/** Makes an ES256 key; its `kid` is the JWK thumbprint (RFC 7638). */
export async function generateSigningKey(): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { kid: await calculateJwkThumbprint(jwk), privateJwk: JSON.stringify(jwk) };
}

/**
 * Makes `key` the one that signs. The keys before it go on verifying until the last token they signed has expired, and
 * are then forgotten. Takes effect at once in a running origin.
 */
export function rotateSigningKey(state: State, key: SigningKey, nowMs: number): void {
  state.transaction(() => {
    state.run("UPDATE signing_keys SET retired_ms = ? WHERE retired_ms IS NULL", nowMs);
    state.run("DELETE FROM signing_keys WHERE retired_ms < ?", nowMs - LIFETIME_SECONDS * 1000);
    state.run(
      "INSERT INTO signing_keys (kid, private_jwk, created_ms) VALUES (?, ?, ?)",
      key.kid,
      key.privateJwk,
      nowMs,
    );
  });
}

/** Issues and verifies the tokens of signed-in users: JWTs (ES256) of four hours. */
export class Tokens {
  readonly #state: State;
  readonly #accounts: Accounts;
  readonly #accessTokens: AccessTokens | undefined;
  readonly #clock: Clock;
  readonly #imported = new Map<string, ImportedKey>();

  constructor(
    { state, accounts, accessTokens, clock }: {
      state: State;
      accounts: Accounts;
      /** Accepts the access tokens of the issuer as well. */
      accessTokens?: AccessTokens;
      clock: Clock;
    },
  ) {
    this.#state = state;
    this.#accounts = accounts;
    this.#accessTokens = accessTokens;
    this.#clock = clock;
  }

  /** A token for an account that has just signed in with this spelling of its e-mail address. */
  async issue({ account, spelledEmail }: SignedIn): Promise<string> {
    const row = this.#state.get("SELECT kid, private_jwk FROM signing_keys WHERE retired_ms IS NULL");
    const { kid, signing } = this.#import(row);
    const issuedAt = Math.floor(this.#clock.now() / 1000);
    return await new SignJWT({ nameid: account.id, unique_name: spelledEmail, role: account.role })
      .setProtectedHeader({ alg: ALGORITHM, kid, typ: "JWT" })
      .setIssuer(TOKEN_ISSUER)
      .setAudience(TOKEN_AUDIENCE)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + LIFETIME_SECONDS)
      .sign(await signing);
  }

  /** @throws {NotSignedInError} when the token is not ours, has expired, or its account is disabled or gone */
  async verify(token: string): Promise<SignedIn> {
    if (this.#accessTokens !== undefined && isAccessToken(token)) {
      const account = await this.#accessTokens.verify(token);
      return { account, spelledEmail: account.email };
    }
    const { nameid, unique_name } = await this.#claims(token);
    const account = this.#accounts.byId(nameid);
    if (!account?.enabled) throw new NotSignedInError("The account of this token is disabled or gone");
    return { account, spelledEmail: unique_name };
  }

  /** Public halves of all keys that verify now. */
  jwks(): { keys: JWK[] } {
    const rows = this.#state.all(
      "SELECT kid, private_jwk FROM signing_keys WHERE coalesce(retired_ms, ?) >= ? ORDER BY created_ms DESC",
      this.#clock.now(),
      this.#oldestRetirementMs(),
    );
    return { keys: rows.map((row) => this.#import(row).publicJwk) };
  }

  async #claims(token: string) {
    try {
      const { payload } = await jwtVerify(token, ({ kid }) => this.#verificationKey(kid), {
        algorithms: [ALGORITHM],
        issuer: TOKEN_ISSUER,
        audience: TOKEN_AUDIENCE,
        requiredClaims: ["exp"],
        currentDate: new Date(this.#clock.now()),
      });
      return claimsSchema.parse(payload);
    } catch (error) {
      throw new NotSignedInError("The token is not valid or has expired", { cause: error });
    }
  }

  #verificationKey(kid: string | undefined): Promise<CryptoKey> {
    const row = this.#state.get(
      "SELECT kid, private_jwk FROM signing_keys WHERE kid = ? AND coalesce(retired_ms, ?) >= ?",
      kid ?? "",
      this.#clock.now(),
      this.#oldestRetirementMs(),
    );
    if (row === undefined) throw new NotSignedInError("The token was signed with an unknown key");
    return this.#import(row).verifying;
  }

  #oldestRetirementMs(): number {
    return this.#clock.now() - LIFETIME_SECONDS * 1000;
  }

  #import(row: Row | undefined): ImportedKey {
    const kid = String(row?.kid);
    const known = this.#imported.get(kid) ?? importKey(kid, String(row?.private_jwk));
    this.#imported.set(kid, known);
    return known;
  }
}

/** Says only who verifies a token; each of the two accepts its own algorithm and keys, and nothing else. */
function isAccessToken(token: string): boolean {
  try {
    return decodeProtectedHeader(token).typ === "at+jwt";
  } catch {
    return false;
  }
}

interface ImportedKey {
  readonly kid: string;
  readonly publicJwk: JWK;
  readonly signing: Promise<CryptoKey>;
  readonly verifying: Promise<CryptoKey>;
}

function importKey(kid: string, privateJwk: string): ImportedKey {
  const { d, ...publicHalf } = privateJwkSchema.parse(JSON.parse(privateJwk));
  return {
    kid,
    publicJwk: { ...publicHalf, kid, alg: ALGORITHM, use: "sig" },
    signing: cryptoKey({ ...publicHalf, d }),
    verifying: cryptoKey(publicHalf),
  };
}

async function cryptoKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, ALGORITHM);
  if (key instanceof Uint8Array) throw new TypeError("A signing key is symmetric");
  return key;
}
