import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from "hpke";
import { type Bytes, concat, utf8 } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";
import { importPrivate, importPublic, type PrivateJwk, type PublicJwk, thumbprint } from "./okp_key.ts";

/** Bytes of the encapsulated key in a grant. */
export const ENCAPSULATED_BYTES = 32;

/** A content key, wrapped to one device. */
export interface Grant {
  /** The device's key. */
  readonly kid: string;
  /** Whose session it is for; empty where there is none. */
  readonly user: string;
  /** Seconds since 1970. From then on it opens nothing. */
  readonly exp: number;
  /** The encapsulated key (32 B). */
  readonly enc: Bytes;
  /** The wrapped content key: its size and 16 B. */
  readonly ct: Bytes;
}

/** What a grant is bound to, besides the device's key. */
export interface GrantBinding {
  /** The payload of the manifest, byte by byte. */
  readonly payload: Bytes;
  readonly user: string;
  readonly exp: number;
}

/** A device's key, ready to open grants. */
export interface DeviceKey {
  readonly kid: string;
  readonly pair: CryptoKeyPair;
}

/** Makes a device's key ready; the private half cannot be exported. @throws {TypeError} it is on another curve */
export async function deviceKey(jwk: PrivateJwk): Promise<DeviceKey> {
  requireX25519(jwk);
  const pair = { privateKey: await importPrivate(jwk), publicKey: await importPublic(jwk) };
  return { kid: await thumbprint(jwk), pair };
}

/**
 * Wraps a content key to a device: HPKE in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM, one message, no associated data.
 * The binding stands in `info`, where Tink's hybrid decryption has it, too.
 * @throws {TypeError} the device's key is on another curve
 * @see RFC 9180, 6.1
 */
export async function makeGrant(contentKey: Bytes, device: PublicJwk, binding: GrantBinding): Promise<Grant> {
  requireX25519(device);
  const kid = await thumbprint(device);
  const info = await grantInfo(kid, binding);
  const sealed = await suite().Seal(await importPublic(device), contentKey, { info });
  const { user, exp } = binding;
  return { kid, user, exp, enc: new Uint8Array(sealed.encapsulatedSecret), ct: new Uint8Array(sealed.ciphertext) };
}

/**
 * Unwraps the content key of a grant.
 * @param payload of the manifest that the grant came with
 * @throws {IntegrityError} step `grant-open`: it is for another device, manifest, user or time, or was changed
 */
export async function openGrant(grant: Grant, device: DeviceKey, payload: Bytes): Promise<Bytes> {
  const info = await grantInfo(grant.kid, { payload, user: grant.user, exp: grant.exp });
  try {
    return new Uint8Array(await suite().Open(device.pair, grant.enc, grant.ct, { info }));
  } catch (cause) {
    const message = "The grant cannot be opened: it is for another device, manifest, user or time, or was changed";
    throw new IntegrityError(message, { step: "grant-open", cause });
  }
}

/** `"v2-grant" 00 SHA-256(payload) 00 kid 00 user 00 decimal(exp)`. */
export async function grantInfo(kid: string, { payload, user, exp }: GrantBinding): Promise<Bytes> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", payload));
  return concat(utf8("v2-grant\0"), digest, utf8(`\0${kid}\0${user}\0${exp}`));
}

function suite(): CipherSuite {
  return new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
}

function requireX25519({ crv }: PublicJwk): void {
  if (crv !== "X25519") throw new TypeError(`A device's key is on X25519, not on ${crv}`);
}
