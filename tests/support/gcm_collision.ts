import { createCipheriv } from "node:crypto";
import { type Bytes, concat } from "../../lib/bytes.ts";

const BLOCK_BYTES = 16;
/** The polynomial of GCM, its bits in GCM's order. @see NIST SP 800-38D, 6.3 */
const POLYNOMIAL = 0xe1n << 120n;
const TOP_BIT = 1n << 127n;

/**
 * Makes one ciphertext, with one tag, that AES-256-GCM opens under two keys with the same nonce, to two different plaintexts: no step of
 * GCM binds the key. One block is free, and is chosen so that both tags agree.
 * @param filling whole blocks behind the free one
 */
export function gcmCollision(first: Bytes, second: Bytes, nonce: Bytes, filling: Bytes): Bytes {
  const blocks = toBlocks(filling);
  const count = blocks.length + 1;
  const lengths = BigInt(count * BLOCK_BYTES * 8);
  const hashKeys = [first, second].map((key) => toNumber(encryptBlock(key, new Uint8Array(BLOCK_BYTES))));
  const masks = [first, second].map((key) => toNumber(encryptBlock(key, concat(nonce, Uint8Array.of(0, 0, 0, 1)))));
  const rests = hashKeys.map((hashKey) => ghash([0n, ...blocks, lengths], hashKey));
  const weight = hashKeys.map((hashKey) => power(hashKey, count + 1)).reduce((one, other) => one ^ other);
  const difference = [...masks, ...rests].reduce((one, other) => one ^ other);
  const free = multiply(difference, inverse(weight));
  const [hashKey = 0n] = hashKeys;
  const [mask = 0n] = masks;
  const tag = ghash([free, ...blocks, lengths], hashKey) ^ mask;
  return concat(...[free, ...blocks, tag].map(toBytes));
}

function ghash(blocks: readonly bigint[], hashKey: bigint): bigint {
  return blocks.reduce((sum, block) => multiply(sum ^ block, hashKey), 0n);
}

function multiply(one: bigint, other: bigint): bigint {
  let product = 0n;
  let shifted = other;
  for (let bit = TOP_BIT; bit > 0n; bit >>= 1n) {
    if ((one & bit) !== 0n) product ^= shifted;
    shifted = (shifted & 1n) === 0n ? shifted >> 1n : (shifted >> 1n) ^ POLYNOMIAL;
  }
  return product;
}

function power(base: bigint, exponent: number): bigint {
  let result = TOP_BIT; // one
  for (let count = 0; count < exponent; count++) result = multiply(result, base);
  return result;
}

/** By Fermat: the power 2^128 - 2. */
function inverse(value: bigint): bigint {
  let result = TOP_BIT;
  let square = value;
  for (let bit = 1; bit < 128; bit++) {
    square = multiply(square, square);
    result = multiply(result, square);
  }
  return result;
}

function encryptBlock(key: Bytes, block: Bytes): Bytes {
  const cipher = createCipheriv("aes-256-ecb", key, null).setAutoPadding(false);
  return concat(cipher.update(block), cipher.final());
}

function toBlocks(bytes: Bytes): bigint[] {
  const count = bytes.byteLength / BLOCK_BYTES;
  return Array.from(
    { length: count },
    (_, index) => toNumber(bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES)),
  );
}

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytes.toHex()}`);
}

function toBytes(value: bigint): Bytes {
  return Uint8Array.fromHex(value.toString(16).padStart(2 * BLOCK_BYTES, "0"));
}
