/** Bytes that WebCrypto and streams accept: a view on a plain (not shared) buffer. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

/** UTF-8 bytes of `text`. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
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
