import { fromBase64Url } from "../bytes.ts";

const TOKEN_LIMIT_CHARACTERS = 16_384;

/**
 * Looks at the form of a signed token (JWS Compact), in the one way in which it can be written.
 * @param invalid makes the error that is thrown, of what is wrong
 */
export function checkTokenForm(token: string, invalid: (why: string) => Error): void {
  if (token.length > TOKEN_LIMIT_CHARACTERS) throw invalid("it is too long");
  const parts = token.split(".", 4);
  if (parts.length === 3 && parts.every((part) => fromBase64Url(part) !== undefined)) return;
  throw invalid("it is not a token");
}
