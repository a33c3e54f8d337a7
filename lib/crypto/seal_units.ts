import { createHash, type Hash } from "node:crypto";
import { type Bytes, release } from "../bytes.ts";
import { TooLargeError } from "../errors.ts";
import { type ByteReader, byteReader, type ByteStream, watched } from "../streams.ts";
import { piecesInFlight } from "./in_flight.ts";
import { HASH_BYTES, UNITS_IN_FLIGHT } from "./open_units.ts";
import type { UnitCipher, UnitPlace } from "./stream_suite.ts";
import { plainStart, UNIT_COUNT_LIMIT, type UnitLayout } from "./unit_layout.ts";

/** A size and the SHA-256 of as many bytes. */
export interface SizedDigest {
  readonly size: number;
  readonly sha256: Bytes;
}

/** What a manifest says of a big part and of what is in it. */
export interface SealedFacts {
  readonly big: SizedDigest;
  readonly plain: SizedDigest;
  /** SHA-256 of every unit, one behind the other (32 B each). */
  readonly hashes: Bytes;
}

/** A big part while it is made. */
export interface Sealing {
  readonly body: ByteStream;
  /** What passed. @throws {Error} before the body has ended */
  facts(): SealedFacts;
}

/**
 * Encrypts a stream of any size, in one pass, several units in flight. One unit is read ahead, since the last one is sealed differently.
 * The body fails with {@link TooLargeError} past the largest number of units.
 */
export function sealUnits(source: ByteStream, layout: UnitLayout, cipher: UnitCipher): Sealing {
  const units = new PlainUnits(byteReader(source), layout);
  const plain = new RunningDigest();
  const big = new RunningDigest();
  const hashes: Uint8Array[] = [];
  let facts: SealedFacts | undefined;
  const seal = async (bytes: Bytes, place: UnitPlace) => {
    const unit = await cipher.seal(bytes, place);
    release(bytes);
    hashes[place.index] = new Uint8Array(await crypto.subtle.digest("SHA-256", unit));
    return unit;
  };
  const sealed = piecesInFlight(UNITS_IN_FLIGHT, {
    async start() {
      const next = await units.next();
      if (next === undefined) return undefined;
      plain.update(next.bytes);
      return { piece: seal(next.bytes, next.place) };
    },
    cancel: (reason) => units.cancel(reason),
  });
  const body = watched(sealed, {
    look: (unit) => big.update(unit),
    end: () => void (facts = { big: big.finish(), plain: plain.finish(), hashes: hashList(hashes) }),
  });
  return {
    body,
    facts() {
      if (facts === undefined) throw new Error("The big part has not ended yet");
      return facts;
    },
  };
}

class RunningDigest {
  readonly #hash: Hash = createHash("sha256");
  #sizeBytes = 0;

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#sizeBytes += bytes.byteLength;
  }

  finish(): SizedDigest {
    return { size: this.#sizeBytes, sha256: new Uint8Array(this.#hash.digest()) };
  }
}

/** Cuts a plaintext into what fits into each unit: reads one ahead. */
class PlainUnits {
  readonly #reader: ByteReader;
  readonly #layout: UnitLayout;
  #ahead: Bytes | undefined;
  #index = 0;

  constructor(reader: ByteReader, layout: UnitLayout) {
    this.#reader = reader;
    this.#layout = layout;
  }

  async next(): Promise<{ readonly bytes: Bytes; readonly place: UnitPlace } | undefined> {
    const index = this.#index++;
    const bytes = this.#ahead ?? await this.#read(index);
    if (index > 0 && bytes.byteLength === 0) return undefined;
    if (index >= UNIT_COUNT_LIMIT) throw tooLarge();
    this.#ahead = await this.#read(index + 1);
    return { bytes, place: { index, isLast: this.#ahead.byteLength === 0 } };
  }

  cancel(reason: unknown): Promise<void> {
    return this.#reader.cancel(reason);
  }

  #read(index: number): Promise<Bytes> {
    return this.#reader.read(plainStart(this.#layout, index + 1) - plainStart(this.#layout, index));
  }
}

/** Not by `concat`: a call takes fewer arguments than a big part has units. */
function hashList(hashes: readonly Uint8Array[]): Bytes {
  const list = new Uint8Array(hashes.length * HASH_BYTES);
  hashes.forEach((hash, index) => list.set(hash, index * HASH_BYTES));
  return list;
}

function tooLarge(): TooLargeError {
  const limitBytes = UNIT_COUNT_LIMIT * 1024 * 1024;
  return new TooLargeError("Cannot seal more than 1 TiB as one resource", limitBytes);
}
