/** Bytes that WebCrypto and streams accept: a view on a plain (not shared) buffer. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

/** UTF-8 bytes of `text`. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/** The value of a JSON text; `undefined`, which every schema refuses, when it is none. */
export function jsonValue(text: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof text === "string" ? text : new TextDecoder().decode(text));
  } catch {
    return undefined;
  }
}

/** One array with all `parts` behind each other. */
export function concat(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}

/** Unpadded base64url. @see RFC 4648, 5 */
export function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** The bytes of unpadded base64url, or `undefined` when the text is not the one way to write them. */
export function fromBase64Url(text: string): Bytes | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    return toBase64Url(bytes) === text ? bytes : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Whether two arrays hold the same bytes. Takes as long for any two of one size, wherever they differ. */
export function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.byteLength !== other.byteLength) return false;
  let difference = 0;
  for (const [index, byte] of one.entries()) difference |= byte ^ (other[index] ?? 0);
  return difference === 0;
}

/** Overwrites secret bytes with zeros. */
export function wipe(secret: Uint8Array): void {
  secret.fill(0);
}

/** Gives the memory of a buffer back at once, instead of at the next garbage collection. The view is empty afterwards. */
export function release(bytes: Bytes): void {
  if (!bytes.buffer.detached && bytes.byteLength > 0) bytes.buffer.transfer(0);
}

const SIZE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** A size for a person: `3.0 KiB`, `1.2 GiB`. */
export function formatSize(sizeBytes: number): string {
  const power = Math.min(SIZE_UNITS.length - 1, Math.floor(Math.log2(Math.max(1, sizeBytes)) / 10));
  return power === 0 ? `${sizeBytes} B` : `${(sizeBytes / 1024 ** power).toFixed(1)} ${SIZE_UNITS[power]}`;
}
