import type { Bytes } from "../bytes.ts";

/** Castagnoli's polynomial, bits reversed. @see RFC 3720, appendix B.4 */
const POLYNOMIAL = 0x82f63b78;
const SLICES = 16;
const TABLES = slicingTables();

/**
 * CRC-32C, chunk by chunk: the checksum that Google Cloud Storage keeps. Sixteen bytes a step, by tables: packages in plain
 * JavaScript take twenty times as long, native ones cannot be loaded in a sandbox. It is no protection against a forger.
 */
export class Crc32c {
  #state = -1;

  /** Takes the next bytes. */
  update(chunk: Uint8Array): void {
    this.#state = advance(this.#state, chunk);
  }

  /** The sum of all bytes so far, as an unsigned number. */
  get value(): number {
    return ~this.#state >>> 0;
  }

  /** The four bytes of the sum, the highest first. */
  bytes(): Bytes {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, this.value);
    return bytes;
  }
}

function advance(start: number, chunk: Uint8Array): number {
  const aligned = -chunk.byteOffset & 3;
  if (chunk.byteLength < aligned) return bytewise(start, chunk, 0, chunk.byteLength);
  const state = bytewise(start, chunk, 0, aligned);
  const wordCount = (chunk.byteLength - aligned) >>> 4 << 2;
  const words = new Int32Array(chunk.buffer, chunk.byteOffset + aligned, wordCount);
  return bytewise(wordwise(state, words), chunk, aligned + wordCount * 4, chunk.byteLength);
}

function bytewise(start: number, chunk: Uint8Array, from: number, to: number): number {
  let state = start;
  for (let index = from; index < to; index++) state = at(0, state ^ (chunk[index] ?? 0)) ^ state >>> 8;
  return state;
}

/** Four words of four bytes a step. The machine's words begin with the lowest byte, as everywhere that Deno runs. */
function wordwise(start: number, words: Int32Array): number {
  let state = start;
  for (let index = 0; index < words.length; index += 4) {
    const a = (words[index] ?? 0) ^ state;
    const b = words[index + 1] ?? 0;
    const c = words[index + 2] ?? 0;
    const d = words[index + 3] ?? 0;
    state = at(15, a) ^ at(14, a >>> 8) ^ at(13, a >>> 16) ^ at(12, a >>> 24) ^
      at(11, b) ^ at(10, b >>> 8) ^ at(9, b >>> 16) ^ at(8, b >>> 24) ^
      at(7, c) ^ at(6, c >>> 8) ^ at(5, c >>> 16) ^ at(4, c >>> 24) ^
      at(3, d) ^ at(2, d >>> 8) ^ at(1, d >>> 16) ^ at(0, d >>> 24);
  }
  return state;
}

/** Entry of a slice for the lowest byte of a number. */
function at(slice: number, value: number): number {
  return TABLES[slice << 8 | value & 255] ?? 0;
}

function slicingTables(): Int32Array {
  const tables = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? value >>> 1 ^ POLYNOMIAL : value >>> 1;
    tables[byte] = value;
  }
  for (let index = 256; index < tables.length; index++) {
    const before = tables[index - 256] ?? 0;
    tables[index] = before >>> 8 ^ (tables[before & 255] ?? 0);
  }
  return tables;
}
