import { type Bytes, utf8 } from "../bytes.ts";

/** Shorter texts are parts of ordinary words: looking for them would make lines unreadable, and tell what they are. */
const LEAST_BYTES = 6;
/** Bytes of a triplet that may stand before a secret in base64: `user:` in `Basic`, another field. */
const OFFSETS = [0, 1, 2] as const;
/** Digits that hold bits of what stands before. */
const SHARED_DIGITS = [0, 2, 3] as const;

/**
 * Every way in which a secret is written down, as UTF-8: itself, escaped once and twice as JSON, in a URL, in a form, in hex, and
 * in both kinds of base64, wherever in a longer text it stands. None for a secret of fewer than 6 bytes.
 */
export function secretForms(secret: Bytes): Bytes[] {
  if (secret.byteLength < LEAST_BYTES) return [];
  const hex = secret.toHex();
  const forms = new Set([hex, hex.toUpperCase(), ...base64Forms(secret), ...textForms(secret)]);
  return [...forms].map(utf8).filter(({ byteLength }) => byteLength >= LEAST_BYTES);
}

function textForms(secret: Bytes): string[] {
  const text = textOf(secret);
  if (text === undefined) return [];
  const escaped = escapedOf(text);
  const uri = encodeURIComponent(text.toWellFormed());
  const form = new URLSearchParams([["", text]]).toString().slice(1);
  return [text, escaped, escapedOf(escaped), uri, lowerCased(uri), form, lowerCased(form)];
}

function textOf(bytes: Bytes): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined; // random bytes, which are never written as text
  }
}

function escapedOf(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** The same with `%2f` in place of `%2F`. */
function lowerCased(encoded: string): string {
  return encoded.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
}

/** The digits that depend on the secret alone. */
function base64Forms(secret: Bytes): string[] {
  return OFFSETS.flatMap((offset) => {
    const padded = new Uint8Array(offset + secret.byteLength);
    padded.set(secret, offset);
    const wholeDigits = Math.floor(padded.byteLength * 8 / 6);
    return (["base64", "base64url"] as const).map((alphabet) =>
      padded.toBase64({ alphabet }).slice(SHARED_DIGITS[offset], wholeDigits)
    );
  });
}
