/**
 * The part of the facts that says which small part a big part belongs to; empty when the store's word for it is missing or is
 * not a SHA-256 in lower-case hex.
 */
export function pairingOf(word: string | null | undefined): { readonly pairedWith?: string } {
  return typeof word === "string" && /^[0-9a-f]{64}$/.test(word) ? { pairedWith: word } : {};
}
