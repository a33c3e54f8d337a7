import { MalformedError } from "../lib/errors.ts";

const MEMBER = /^sha-256\s*=\s*:([A-Za-z0-9+/]{43}=):$/;

/** Value of `Repr-Digest` for a SHA-256 in hex. @see RFC 9530, 3 */
export function digestField(sha256: string): string {
  return `sha-256=:${Uint8Array.fromHex(sha256).toBase64()}:`;
}

/**
 * SHA-256 in lower-case hex that a `Content-Digest` or `Repr-Digest` header names; `undefined` when it names none, which is
 * to be ignored.
 * @throws {MalformedError} when the digest is not one
 */
export function parseDigestField(header: string | undefined): string | undefined {
  const member = header?.split(",").map((part) => part.trim()).find((part) => /^sha-256\s*=/.test(part));
  if (member === undefined) return undefined;
  const digest = MEMBER.exec(member)?.[1];
  if (digest === undefined) throw new MalformedError("The sha-256 digest of the request is not one");
  return Uint8Array.fromBase64(digest).toHex();
}
