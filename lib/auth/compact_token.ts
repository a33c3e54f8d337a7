import { fromBase64Url } from "../bytes.ts";

const TOKEN_LIMIT_CHARACTERS = 16_384;

/** What is wrong with the form of a signed token (JWS Compact), in the one way in which it can be written; `undefined` when nothing is. */
export function faultOfToken(token: string): string | undefined {
  if (token.length > TOKEN_LIMIT_CHARACTERS) return "it is too long";
  const parts = token.split(".", 4);
  return parts.length === 3 && parts.every((part) => fromBase64Url(part) !== undefined)
    ? undefined
    : "it is not a token";
}
