import { createHash } from "node:crypto";
import { type Bytes, equalBytes } from "../bytes.ts";
import { type BigPart, HASH_BYTES, openUnits, unitEnd, type UnitRange } from "../crypto/open_units.ts";
import { SUITES } from "../crypto/suites.ts";
import { plainSize, plainStart, unitAt, unitStart } from "../crypto/unit_layout.ts";
import { IntegrityError } from "../errors.ts";
import { type ByteStream, byteStream, watched } from "../streams.ts";
import { associatedData, type Manifest } from "./manifest.ts";
import type { OpenedSmallPart } from "./open_small_part.ts";

/** Bytes `start` to `end` of a plaintext, and what of the big part is needed for them. */
export interface PlainRange {
  readonly start: number;
  readonly end: number;
  readonly units: UnitRange;
  /** Offsets in the big part: exactly these bytes are needed. */
  readonly bigStart: number;
  readonly bigEnd: number;
}

/**
 * The hashes of all units of a big part (32 B each).
 * @param object what lies under `hashListKey`; needed only where the manifest does not hold the list itself
 * @throws {IntegrityError} step `hash-list`: it is missing, or not the one that was signed
 */
export async function hashList({ seg }: Manifest, object?: Bytes): Promise<Bytes> {
  if ("list" in seg) return seg.list;
  if (object?.byteLength === seg.n * HASH_BYTES) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", object));
    if (equalBytes(digest, seg.sha256)) return object;
  }
  const what = object === undefined ? "is missing" : "is not the one that was published";
  throw new IntegrityError(`The hash list of the big part ${what}`, { step: "hash-list" });
}

/**
 * A big part, ready to be opened whole or in ranges.
 * @param hashes as {@link hashList} gives them
 * @throws {IntegrityError} step `size`: the sizes in the manifest do not belong together
 */
export async function bigPart({ manifest, contentKey }: OpenedSmallPart, hashes: Bytes): Promise<BigPart> {
  const { big, plain, suite, hdr } = manifest;
  const { layout, unitCipher } = SUITES[suite];
  if (plainSize(layout, big.size) !== plain.size) {
    throw new IntegrityError("The sizes in the manifest do not belong together", { step: "size" });
  }
  const cipher = await unitCipher(contentKey, hdr, associatedData(manifest));
  return { layout, cipher, sizeBytes: big.size, hashes };
}

/**
 * Opens a whole big part: every unit's hash is compared before it is decrypted, its tags before it is released; the last unit is held back
 * until the source has ended. The stream fails with {@link IntegrityError}; whoever has taken bytes until then discards them.
 * @param plainDigest compare the SHA-256 of the plaintext as well, before the end is told: where the sink cannot take bytes back
 */
export function openWhole(source: ByteStream, big: BigPart, plainDigest?: Bytes): ByteStream {
  const plain = openUnits(source, big);
  if (plainDigest === undefined) return plain;
  const hash = createHash("sha256");
  return watched(plain, {
    look: (chunk) => void hash.update(chunk),
    end() {
      if (equalBytes(hash.digest(), plainDigest)) return;
      throw new IntegrityError("The content is not the one that was published", { step: "plain-digest" });
    },
  });
}

/** What is needed for bytes `start` to `end` of the plaintext. @throws {RangeError} unless `0 <= start < end <=` its size */
export function plainRange(big: BigPart, start: number, end: number): PlainRange {
  const { layout, sizeBytes } = big;
  if (!(start >= 0 && start < end && end <= plainSize(layout, sizeBytes))) {
    throw new RangeError(`Bytes ${start} to ${end} are not in the plaintext`);
  }
  const units = { first: unitAt(layout, start), end: unitAt(layout, end - 1) + 1 };
  return { start, end, units, bigStart: unitStart(layout, units.first), bigEnd: unitEnd(big, units.end - 1) };
}

/**
 * Opens a range of the plaintext from the units that hold it.
 * @param source bytes `bigStart` to `bigEnd` of the big part, exactly
 */
export function openRange(source: ByteStream, big: BigPart, { start, end, units }: PlainRange): ByteStream {
  const reader = openUnits(source, big, units).getReader();
  let offset = plainStart(big.layout, units.first);
  return byteStream(async () => {
    const { value, done } = await reader.read();
    if (done) return undefined;
    const from = Math.max(0, start - offset);
    const wanted = value.subarray(from, Math.max(from, end - offset));
    offset += value.byteLength;
    return wanted;
  }, (reason) => reader.cancel(reason));
}
