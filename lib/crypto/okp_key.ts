import { calculateJwkThumbprint } from "jose";
import { z } from "zod";
import { fromBase64Url } from "../bytes.ts";

const POINT_BYTES = 32;

/** Which curve a key is on: `X25519` receives grants, `Ed25519` signs manifests. */
export type Curve = "X25519" | "Ed25519";

/** The public half of a key, as a JWK of RFC 8037. */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: Curve;
  /** The public point, base64url (32 B). */
  readonly x: string;
}

/** A whole key: the JWK with its private half. */
export interface PrivateJwk extends PublicJwk {
  /** The private scalar or seed, base64url (32 B). Secret. */
  readonly d: string;
}

const USAGES = { X25519: ["deriveBits"], Ed25519: ["sign", "verify"] } as const satisfies Record<Curve, KeyUsage[]>;
const PRIVATE_USAGE = { X25519: "deriveBits", Ed25519: "sign" } as const satisfies Record<Curve, KeyUsage>;

const point = z.string().refine(
  (text) => fromBase64Url(text)?.byteLength === POINT_BYTES,
  "is not base64url of 32 bytes",
);

/** The shape of a public half; a private half is refused, so that none is handed on by mistake. */
export const publicJwkSchema = z.strictObject({
  kty: z.literal("OKP"),
  crv: z.enum(["X25519", "Ed25519"]),
  x: point,
  kid: z.string().optional(),
}).transform(({ kty, crv, x }): PublicJwk => ({ kty, crv, x }));

/** The shape of a whole key. */
export const privateJwkSchema = z.strictObject({
  kty: z.literal("OKP"),
  crv: z.enum(["X25519", "Ed25519"]),
  x: point,
  d: point,
  kid: z.string().optional(),
}).transform(({ kty, crv, x, d }): PrivateJwk => ({ kty, crv, x, d }));

/** A new key from fresh random bytes. */
export async function generateJwk(curve: Curve): Promise<PrivateJwk> {
  const pair = await crypto.subtle.generateKey({ name: curve }, true, USAGES[curve]);
  if (!("privateKey" in pair)) throw new Error(`${curve} gives key pairs`);
  const { x, d } = await crypto.subtle.exportKey("jwk", pair.privateKey);
  return privateJwkSchema.parse({ kty: "OKP", crv: curve, x, d });
}

/** The name of a key (`kid`): the RFC 7638 thumbprint of its public half, base64url of SHA-256 (43 characters). */
export function thumbprint({ kty, crv, x }: PublicJwk): Promise<string> {
  return calculateJwkThumbprint({ kty, crv, x }, "sha256");
}

/** The public half alone. */
export function publicHalf({ kty, crv, x }: PublicJwk): PublicJwk {
  return { kty, crv, x };
}

/** The public half as a key of WebCrypto. */
export async function importPublic({ kty, crv, x }: PublicJwk): Promise<CryptoKey> {
  const usages: KeyUsage[] = crv === "Ed25519" ? ["verify"] : [];
  return await crypto.subtle.importKey("jwk", { kty, crv, x }, { name: crv }, true, usages);
}

/** Whether the two halves belong together. What is imported need not: WebCrypto here takes the private half and does not look at the other. */
export async function isPair({ kty, crv, x, d }: PrivateJwk): Promise<boolean> {
  const key = await crypto.subtle.importKey("jwk", { kty, crv, x, d }, { name: crv }, true, [PRIVATE_USAGE[crv]]);
  return (await crypto.subtle.exportKey("jwk", key)).x === x; // made of the private half
}

/** The private half as a key of WebCrypto that cannot be exported. The public half is not compared: {@link isPair} does. */
export async function importPrivate({ kty, crv, x, d }: PrivateJwk): Promise<CryptoKey> {
  return await crypto.subtle.importKey("jwk", { kty, crv, x, d }, { name: crv }, false, [PRIVATE_USAGE[crv]]);
}
