import { CompactSign, compactVerify, errors } from "jose";
import { z } from "zod";
import { type Bytes, fromBase64Url } from "../bytes.ts";
import { importPrivate, importPublic, type PrivateJwk, type PublicJwk, thumbprint } from "../crypto/okp_key.ts";
import { IntegrityError } from "../errors.ts";
import { parseCanonical } from "./canonical_json.ts";
import { type Manifest, parseManifest, serializeManifest } from "./manifest.ts";

/** `typ` of a manifest, so that no other signed thing is taken for one. */
export const MANIFEST_TYPE = "v2-manifest+jws";

/** The keys of publishers that a device believes, by `kid`. */
export type TrustStore = ReadonlyMap<string, CryptoKey>;

/** A publisher's key, ready to sign. */
export interface PublisherKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
}

/** A manifest that a trusted publisher has signed. */
export interface SignedManifest {
  readonly manifest: Manifest;
  /** What was signed, byte by byte: grants are bound to it. */
  readonly payload: Bytes;
  /** Whose signature it is. */
  readonly kid: string;
}

const JWS_PATTERN = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$/;
/** `EdDSA` is the older name of the same algorithm. @see RFC 9864 */
const ALGORITHMS = ["Ed25519", "EdDSA"] as const;

// Exact, so that no key can come along in `jwk`, `jku` or `x5u`, and nothing that we do not know can be critical.
const protectedHeader = z.strictObject({
  alg: z.enum(ALGORITHMS),
  kid: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  typ: z.literal(MANIFEST_TYPE),
});

/** Makes a publisher's key ready; the private half cannot be exported. @throws {TypeError} it is on another curve */
export async function publisherKey(jwk: PrivateJwk): Promise<PublisherKey> {
  requireEd25519(jwk);
  return { kid: await thumbprint(jwk), privateKey: await importPrivate(jwk) };
}

/** A trust store of these keys. @throws {TypeError} one is on another curve */
export async function trustStore(keys: readonly PublicJwk[]): Promise<TrustStore> {
  const store = new Map<string, CryptoKey>();
  for (const jwk of keys) {
    requireEd25519(jwk);
    store.set(await thumbprint(jwk), await importPublic(jwk));
  }
  return store;
}

/** Signs a manifest: JWS Compact with Ed25519. @throws {IntegrityError} step `form`: no reader would take it */
export async function signManifest(manifest: Manifest, key: PublisherKey): Promise<string> {
  return await new CompactSign(serializeManifest(manifest))
    .setProtectedHeader({ alg: "Ed25519", kid: key.kid, typ: MANIFEST_TYPE })
    .sign(key.privateKey);
}

/**
 * Checks who signed a manifest, and then reads it. The key is looked up in the trust store and comes from nowhere else.
 * @throws {IntegrityError} step `signature` or `form`
 */
export async function verifyManifest(jws: string, trust: TrustStore): Promise<SignedManifest> {
  const { kid } = readHeader(jws);
  const key = trust.get(kid);
  if (key === undefined) throw refused(`no trusted publisher has the key "${kid}"`);
  try {
    const verified = await compactVerify(jws, key, { algorithms: [...ALGORITHMS] });
    const payload = new Uint8Array(verified.payload);
    return { manifest: parseManifest(payload), payload, kid };
  } catch (cause) {
    if (cause instanceof errors.JOSEError) throw refused("its signature is wrong", cause);
    throw cause;
  }
}

function readHeader(jws: string): z.infer<typeof protectedHeader> {
  const [header = ""] = JWS_PATTERN.test(jws) ? jws.split(".") : [];
  const bytes = fromBase64Url(header) ?? new Uint8Array(0);
  return parseCanonical(bytes, protectedHeader, "The manifest's signature");
}

function refused(why: string, cause?: unknown): IntegrityError {
  return new IntegrityError(`The manifest is not believed: ${why}`, { step: "signature", cause });
}

function requireEd25519({ crv }: PublicJwk): void {
  if (crv !== "Ed25519") throw new TypeError(`A publisher's key is on Ed25519, not on ${crv}`);
}
