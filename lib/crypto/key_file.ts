import type { z } from "zod";
import { type Bytes, utf8 } from "../bytes.ts";
import { ConfigurationError, UsageError } from "../errors.ts";
import { KNOWN_SECRETS } from "../redaction/known_secrets.ts";
import { writeNewFile, writePublicFile, writeSmallFile } from "../system/atomic_file.ts";
import { isSymbolicLink, readSecretFile, removeFile } from "../system/files.ts";
import { readNamedFile } from "../system/named_file.ts";
import {
  type Curve,
  isPair,
  type PrivateJwk,
  privateJwkSchema,
  publicHalf,
  type PublicJwk,
  publicJwkSchema,
  thumbprint,
} from "./okp_key.ts";

const KEY_FILE_LIMIT_BYTES = 4 * 1024;
const PUBLIC_MODE = 0o644;

/** What a key is for, by its curve. */
export const KEY_KINDS: Readonly<Record<Curve, string>> = { X25519: "device", Ed25519: "publisher" };

/** Where the public half of a key lies. */
export function publicKeyPath(path: string): string {
  return `${path}.pub`;
}

/**
 * Writes a key as one line of JSON (a JWK), readable by its owner only, and its public half beside it in `F.pub`.
 * @throws {UsageError} when one of the two is there already: keys are never written over
 */
export async function writeKeyPair(path: string, jwk: PrivateJwk): Promise<void> {
  const { secret, open } = await linesOf(jwk);
  if (!await writeNewFile(path, secret)) throw exists(path);
  try {
    if (!await writeNewFile(publicKeyPath(path), open, PUBLIC_MODE)) throw exists(publicKeyPath(path));
  } catch (error) {
    await removeFile(path);
    throw error;
  }
}

/** A whole key. @throws {ConfigurationError} there is none, it is for something else, or others than its owner may read it */
export async function readPrivateKey(path: string, curve: Curve): Promise<PrivateJwk> {
  return await parsePrivateKey(path, await readSecretFile(path), curve);
}

/** The same from the bytes of a file. @throws {ConfigurationError} */
export async function parsePrivateKey(path: string, bytes: Bytes, curve: Curve): Promise<PrivateJwk> {
  const jwk = ofCurve(path, curve, parseKey(path, bytes, privateJwkSchema, "a private key"));
  KNOWN_SECRETS.keepFor(jwk, jwk.d);
  if (!await isPair(jwk)) throw unusable(path, "its two halves do not belong together");
  return jwk;
}

/** The public half of a key. @throws {ConfigurationError} there is none, or it is for something else */
export async function readPublicKey(path: string, curve?: Curve): Promise<PublicJwk> {
  const file = await readNamedFile(path, KEY_FILE_LIMIT_BYTES);
  if (file === undefined) throw unusable(path, "there is no such file");
  return parsePublicKey(path, file.bytes, curve);
}

/** The same from the bytes of a file. @throws {ConfigurationError} */
export function parsePublicKey(path: string, bytes: Bytes, curve?: Curve): PublicJwk {
  const jwk = parseKey(path, bytes, publicJwkSchema, "a public key (F.pub)");
  return curve === undefined ? jwk : ofCurve(path, curve, jwk);
}

/**
 * Puts a new key in the place of an old one, which stays beside it under its own name (`F.<kid>`, `F.<kid>.pub`).
 * @returns where the old one is now
 * @throws {UsageError} it is a link: what it leads to is somebody else's to replace
 */
export async function rotateKeyPair(path: string, jwk: PrivateJwk): Promise<string> {
  if (await isSymbolicLink(path)) throw new UsageError(`Cannot replace the key "${path}": it is a link`);
  const old = await readPrivateKey(path, jwk.crv);
  const oldPath = `${path}.${await thumbprint(old)}`;
  await replaceKeyPair(oldPath, old); // its name says which key it is: what is there came from a rotation that was cut off
  await replaceKeyPair(path, jwk);
  return oldPath;
}

async function replaceKeyPair(path: string, jwk: PrivateJwk): Promise<void> {
  const { secret, open } = await linesOf(jwk);
  await writeSmallFile(path, secret);
  await writePublicFile(publicKeyPath(path), open);
}

async function linesOf(jwk: PrivateJwk): Promise<{ secret: Bytes; open: Bytes }> {
  const kid = await thumbprint(jwk);
  return { secret: keyLine({ ...publicHalf(jwk), kid, d: jwk.d }), open: keyLine({ ...publicHalf(jwk), kid }) };
}

function exists(path: string): UsageError {
  return new UsageError(`Cannot write a key to "${path}": it exists`);
}

function keyLine(jwk: PublicJwk & { readonly kid: string; readonly d?: string }): Bytes {
  return utf8(`${JSON.stringify(jwk)}\n`);
}

function parseKey<T>(path: string, bytes: Bytes, schema: z.ZodType<T>, what: string): T {
  const parsed = schema.safeParse(jsonOrUndefined(bytes));
  if (parsed.success) return parsed.data;
  throw unusable(path, `it is not ${what}`);
}

function jsonOrUndefined(bytes: Bytes): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // its message would show the key
    throw error;
  }
}

function ofCurve<T extends PublicJwk>(path: string, curve: Curve, jwk: T): T {
  if (jwk.crv === curve) return jwk;
  throw unusable(path, `it is the key of a ${KEY_KINDS[jwk.crv]}, not of a ${KEY_KINDS[curve]}`);
}

function unusable(path: string, why: string): ConfigurationError {
  return new ConfigurationError([`Cannot use the key "${path}": ${why}`]);
}
