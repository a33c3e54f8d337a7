import { type Bytes, utf8, wipe } from "../bytes.ts";

const COMMITMENT_BYTES = 32;

/**
 * Takes a content key (CEK) out of reach: a key that only derives others and cannot be exported. The raw bytes are overwritten.
 * Whoever still needs them, as the publisher does for its grants, gives a copy.
 */
export async function importContentKey(raw: Bytes): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey("raw", raw, "HKDF", false, ["deriveBits"]);
  } finally {
    wipe(raw);
  }
}

/** HKDF-SHA256 of the content key. @see RFC 5869 */
export async function deriveBytes(contentKey: CryptoKey, salt: Bytes, info: Bytes, sizeBytes: number): Promise<Bytes> {
  const parameters = { name: "HKDF", hash: "SHA-256", salt, info };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, contentKey, sizeBytes * 8));
}

/**
 * What commits to the content key (`kc`, 32 B): HKDF-SHA256(CEK, no salt, "v2-commit"). Neither AEAD does: for both, two keys can be found
 * that open the same ciphertext.
 */
export function keyCommitment(contentKey: CryptoKey): Promise<Bytes> {
  return deriveBytes(contentKey, new Uint8Array(0), utf8("v2-commit"), COMMITMENT_BYTES);
}
