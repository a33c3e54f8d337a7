import type { Bytes } from "./bytes.ts";

/** Castagnoli's polynomial, bits reversed. @see RFC 3720, B.4 */
const POLYNOMIAL = 0x82f63b78;
/** Bytes that are taken in at once, with one table for each. */
const SLICE_BYTES = 8;
const TABLES = makeTables();

/**
 * CRC-32C of bytes that come piece by piece, as cloud stores name it. A checksum against accidents, never against people.
 */
export class Crc32c {
  #remainder = 0xffffffff;

  /** Takes the next bytes in. */
  update(bytes: Uint8Array): void {
    let remainder = this.#remainder;
    let index = 0;
    for (const end = bytes.byteLength - SLICE_BYTES; index <= end; index += SLICE_BYTES) {
      const low = remainder ^ word(bytes, index);
      const high = word(bytes, index + 4);
      remainder = table(7, low) ^ table(6, low >>> 8) ^ table(5, low >>> 16) ^ table(4, low >>> 24) ^
        table(3, high) ^ table(2, high >>> 8) ^ table(1, high >>> 16) ^ table(0, high >>> 24);
    }
    for (; index < bytes.byteLength; index++) {
      remainder = table(0, remainder ^ (bytes[index] ?? 0)) ^ (remainder >>> 8);
    }
    this.#remainder = remainder;
  }

  /** Of all bytes so far, as 4 bytes, the highest first. */
  digest(): Bytes {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, (this.#remainder ^ 0xffffffff) >>> 0);
    return bytes;
  }

  /** The same in base64, as `checksum_base64_crc32c` has it. */
  base64(): string {
    return this.digest().toBase64();
  }
}

function word(bytes: Uint8Array, index: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[index], bytes[index + 1], bytes[index + 2], bytes[index + 3]];
  return a | b << 8 | c << 16 | d << 24;
}

function table(slice: number, byte: number): number {
  return TABLES[slice * 256 + (byte & 0xff)] ?? 0;
}

function makeTables(): Int32Array {
  const tables = new Int32Array(SLICE_BYTES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? remainder >>> 1 ^ POLYNOMIAL : remainder >>> 1;
    tables[byte] = remainder;
  }
  for (let index = 256; index < tables.length; index++) {
    const before = tables[index - 256] ?? 0;
    tables[index] = (tables[before & 0xff] ?? 0) ^ before >>> 8;
  }
  return tables;
}
