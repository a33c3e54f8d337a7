import { IntegrityError } from "../errors.ts";

/** Bytes of the tag behind every chunk; the same in AES-GCM and in ChaCha20-Poly1305. */
export const TAG_BYTES = 16;

/** Units of one big part at most: 1 TiB. Then its hash list has 32 MiB. */
export const UNIT_COUNT_LIMIT = 1024 * 1024;

/**
 * Where things lie in the big part of a suite: `header ‖ chunk 0 ‖ chunk 1 ‖ …`, each chunk with its tag. A unit is what is hashed,
 * fetched and opened as one: some chunks, and the header in front of unit 0.
 */
export interface UnitLayout {
  readonly headerBytes: number;
  /** Plaintext of the first chunk. */
  readonly firstPlainBytes: number;
  /** Plaintext of every other chunk but the last, which may be shorter. */
  readonly plainBytes: number;
  readonly chunksPerUnit: number;
  /** Fewest bytes of plaintext in a last chunk that is not the only one. */
  readonly lastPlainBytesMin: number;
}

/** Size of the big part for a plaintext of `plainBytes` bytes. */
export function bigSize(layout: UnitLayout, plainBytes: number): number {
  const chunkCount = 1 + countOver(plainBytes - layout.firstPlainBytes, layout.plainBytes);
  return layout.headerBytes + plainBytes + chunkCount * TAG_BYTES;
}

/** Size of the plaintext in a big part of `bigBytes` bytes. @throws {IntegrityError} no big part has that size */
export function plainSize(layout: UnitLayout, bigBytes: number): number {
  const chunkCount = countChunks(layout, bigBytes);
  const lastStart = chunkStart(layout, chunkCount - 1);
  const lastPlainBytes = bigBytes - lastStart - TAG_BYTES;
  if (lastPlainBytes < (chunkCount > 1 ? layout.lastPlainBytesMin : 0)) {
    throw new IntegrityError(`The big part was cut off: none can have ${bigBytes} bytes`, { step: "size" });
  }
  return bigBytes - layout.headerBytes - chunkCount * TAG_BYTES;
}

/** Number of units of a big part; at least 1. */
export function unitCount(layout: UnitLayout, bigBytes: number): number {
  return Math.ceil(countChunks(layout, bigBytes) / layout.chunksPerUnit);
}

/** Offset of a unit in the big part. */
export function unitStart(layout: UnitLayout, index: number): number {
  return index === 0 ? 0 : chunkStart(layout, index * layout.chunksPerUnit);
}

/** Offset in the plaintext of what is in a unit. */
export function plainStart(layout: UnitLayout, index: number): number {
  if (index === 0) return 0;
  return layout.firstPlainBytes + (index * layout.chunksPerUnit - 1) * layout.plainBytes;
}

/** The unit that holds the byte at this offset of the plaintext. */
export function unitAt(layout: UnitLayout, plainOffset: number): number {
  const firstUnitBytes = plainStart(layout, 1);
  if (plainOffset < firstUnitBytes) return 0;
  return 1 + Math.floor((plainOffset - firstUnitBytes) / (layout.chunksPerUnit * layout.plainBytes));
}

function chunkStart({ headerBytes, firstPlainBytes, plainBytes }: UnitLayout, index: number): number {
  if (index === 0) return headerBytes;
  return headerBytes + firstPlainBytes + TAG_BYTES + (index - 1) * (plainBytes + TAG_BYTES);
}

function countChunks({ headerBytes, firstPlainBytes, plainBytes }: UnitLayout, bigBytes: number): number {
  return 1 + countOver(bigBytes - headerBytes - firstPlainBytes - TAG_BYTES, plainBytes + TAG_BYTES);
}

function countOver(restBytes: number, eachBytes: number): number {
  return restBytes <= 0 ? 0 : Math.ceil(restBytes / eachBytes);
}
