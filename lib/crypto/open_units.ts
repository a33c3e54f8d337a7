import { createHash } from "node:crypto";
import { type Bytes, equalBytes } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";
import { type ByteReader, byteReader, type ByteStream } from "../streams.ts";
import { piecesInFlight } from "./in_flight.ts";
import type { UnitCipher, UnitPlace } from "./stream_suite.ts";
import { plainSize, unitCount, type UnitLayout, unitStart } from "./unit_layout.ts";

/** Units that are worked on at the same time: within 3 % of the fastest measured. */
export const UNITS_IN_FLIGHT = 4;

/** Bytes of the SHA-256 of one unit in a hash list. */
export const HASH_BYTES = 32;

/** A big part, as far as it must be known to open any of its units. */
export interface BigPart {
  readonly layout: UnitLayout;
  readonly cipher: UnitCipher;
  readonly sizeBytes: number;
  /** SHA-256 of every unit, one behind the other (32 B each); without it, tags alone decide. */
  readonly hashes?: Bytes | undefined;
}

/** Units `first` to `end`, without the unit `end`. */
export interface UnitRange {
  readonly first: number;
  readonly end: number;
}

/** All units of a big part. @throws {IntegrityError} step `size`, when no big part has that size */
export function allUnits({ layout, sizeBytes }: BigPart): UnitRange {
  plainSize(layout, sizeBytes);
  return { first: 0, end: unitCount(layout, sizeBytes) };
}

/** Offset of the end of a unit in the big part. */
export function unitEnd({ layout, sizeBytes }: BigPart, index: number): number {
  return Math.min(unitStart(layout, index + 1), sizeBytes);
}

/** Whether one unit, as it was fetched, is the one of the list: what downloads fetch again by. */
export function hasUnitHash(hashes: Bytes, index: number, unit: Bytes): boolean {
  return isListed(hashes, index, createHash("sha256").update(unit).digest()); // WebCrypto copies what it hashes
}

/** @throws {IntegrityError} step `unit-hash`: a unit is not the one of the list */
export function checkUnitHash(hashes: Bytes, index: number, unit: Bytes): void {
  if (hasUnitHash(hashes, index, unit)) return;
  throw wrongUnit(index);
}

function isListed(hashes: Bytes, index: number, digest: Uint8Array): boolean {
  return equalBytes(digest, hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES));
}

function wrongUnit(index: number): IntegrityError {
  return new IntegrityError(`Unit ${index} of the big part is not the one that was published`, { step: "unit-hash" });
}

/**
 * Opens units, in order, several in flight. Each unit's hash is compared before the unit is decrypted, and its tags before it is released;
 * the last is held back until the source has ended where it must.
 * @param source exactly the bytes of these units
 * @returns the plaintext of these units. It fails with {@link IntegrityError}: step `size` on a source that is cut off or goes on, else
 * `unit-hash` or `unit-tag`
 */
export function openUnits(source: ByteStream, big: BigPart, range: UnitRange = allUnits(big)): ByteStream {
  const reader = byteReader(source);
  const lastIndex = allUnits(big).end - 1;
  let index = range.first;
  return piecesInFlight(UNITS_IN_FLIGHT, {
    async start() {
      if (index >= range.end) return undefined;
      const place = { index, isLast: index === lastIndex };
      index++;
      const unit = await readUnit(reader, big, place.index);
      if (index === range.end) await checkEnd(reader);
      return { piece: openUnit(unit, big, place) };
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

async function readUnit(reader: ByteReader, big: BigPart, index: number): Promise<Bytes> {
  const sizeBytes = unitEnd(big, index) - unitStart(big.layout, index);
  const unit = await reader.read(sizeBytes);
  if (unit.byteLength === sizeBytes) return unit;
  throw new IntegrityError(`The big part was cut off in unit ${index}`, { step: "size" });
}

async function checkEnd(reader: ByteReader): Promise<void> {
  if ((await reader.read(1)).byteLength === 0) return;
  throw new IntegrityError("The big part goes on behind its last unit", { step: "size" });
}

/** Hashed by one of WebCrypto's threads: units in flight do not wait for each other. */
async function openUnit(unit: Bytes, { cipher, hashes }: BigPart, place: UnitPlace): Promise<Bytes> {
  if (hashes !== undefined) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", unit));
    if (!isListed(hashes, place.index, digest)) throw wrongUnit(place.index);
  }
  return await cipher.open(unit, place);
}
