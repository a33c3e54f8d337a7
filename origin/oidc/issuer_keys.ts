import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { NotSignedInError } from "../../lib/errors.ts";
import type { Clock } from "../../lib/system/clock.ts";
import type { Row, State } from "../state.ts";

/** The only algorithm of the issuer's tokens: the platform's clients know no other. */
export const ISSUER_ALGORITHM = "RS256";
/** How long an access token or an ID token is good. */
export const ISSUED_LIFETIME_SECONDS = 3600;

const MODULUS_BITS = 2048;

/** An RSA key with its private half, as JWK. */
export type IssuerKey = JWK & { readonly kid: string };

/** The keys with which the issuer signs. The first is made when somebody asks for it: it costs time that other origins save. */
export class IssuerKeys {
  readonly #state: State;
  readonly #clock: Clock;
  #making: Promise<IssuerKey> | undefined;

  constructor({ state, clock }: { state: State; clock: Clock }) {
    this.#state = state;
    this.#clock = clock;
  }

  /** The key that signs now: another process may have changed it. */
  async current(): Promise<IssuerKey> {
    const known = this.#current();
    if (known !== undefined) return known;
    this.#making ??= this.#makeFirst().finally(() => this.#making = undefined);
    return await this.#making;
  }

  /**
   * Signs with a new key from now on. The keys before it go on verifying until the last token they signed has expired, and
   * are then forgotten. @returns its `kid`; `undefined` where no key was ever needed
   */
  async rotate(): Promise<string | undefined> {
    if (this.#current() === undefined) return undefined;
    const key = await generateIssuerKey();
    const nowMs = this.#clock.now();
    this.#state.transaction(() => {
      this.#state.run("UPDATE issuer_keys SET retired_ms = ? WHERE retired_ms IS NULL", nowMs);
      this.#state.run("DELETE FROM issuer_keys WHERE retired_ms < ?", this.#oldestRetirementMs());
      this.#insert(key);
    });
    return key.kid;
  }

  /** Public halves of all keys that verify now. */
  published(): JWK[] {
    const rows = this.#state.all(
      "SELECT private_jwk FROM issuer_keys WHERE coalesce(retired_ms, ?) >= ? ORDER BY created_ms DESC",
      this.#clock.now(),
      this.#oldestRetirementMs(),
    );
    return rows.map((row) => publicHalf(keyOf(row)));
  }

  /** The public key with this `kid`. @throws {NotSignedInError} there is none that verifies now */
  async verifying(kid: string): Promise<CryptoKey> {
    const jwk = this.published().find((key) => key.kid === kid);
    if (jwk === undefined) throw new NotSignedInError("The token was signed with an unknown key");
    const key = await importJWK(jwk, ISSUER_ALGORITHM);
    if (key instanceof Uint8Array) throw new TypeError("A key of the issuer is symmetric");
    return key;
  }

  async #makeFirst(): Promise<IssuerKey> {
    const key = await generateIssuerKey();
    return this.#state.transaction(() => {
      const known = this.#current(); // another process was faster
      if (known !== undefined) return known;
      this.#insert(key);
      return key;
    });
  }

  #current(): IssuerKey | undefined {
    const row = this.#state.get("SELECT private_jwk FROM issuer_keys WHERE retired_ms IS NULL");
    return row && keyOf(row);
  }

  #insert(key: IssuerKey): void {
    this.#state.run(
      "INSERT INTO issuer_keys (kid, private_jwk, created_ms) VALUES (?, ?, ?)",
      key.kid,
      JSON.stringify(key),
      this.#clock.now(),
    );
  }

  #oldestRetirementMs(): number {
    return this.#clock.now() - ISSUED_LIFETIME_SECONDS * 1000;
  }
}

/** An RS256 key of 2,048 bits; its `kid` is the JWK thumbprint (RFC 7638). */
async function generateIssuerKey(): Promise<IssuerKey> {
  const { privateKey } = await generateKeyPair(ISSUER_ALGORITHM, { modulusLength: MODULUS_BITS, extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: ISSUER_ALGORITHM, use: "sig" };
}

function publicHalf({ kty, n, e, kid, alg, use }: IssuerKey): JWK {
  if (kty !== "RSA" || n === undefined || e === undefined) throw new TypeError("A key of the issuer is not an RSA key");
  return { kty, n, e, kid, alg: alg ?? ISSUER_ALGORITHM, use: use ?? "sig" };
}

function keyOf(row: Row): IssuerKey {
  return JSON.parse(String(row.private_jwk));
}
