import { type Bytes, concat, release } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";
import { piecesInFlight } from "./in_flight.ts";
import type { CbcKey } from "./keys.ts";
import { type ByteReader, byteReader, type ByteStream, byteStream, collect, streamOf } from "../streams.ts";

/** Bytes of an AES block, of the IV, and of the padding at most. */
export const BLOCK_BYTES = 16;

/** How a v1 stream is worked on. The result does not depend on it. */
export interface CbcTuning {
  /** Bytes per WebCrypto call, a multiple of 16. */
  readonly pieceBytes: number;
  /** Decryptions that may run at the same time. */
  readonly inFlight: number;
}

/** 256 KiB, 4 in flight: as much memory as 128 KiB and 8, and half the calls; the rate differs by less than 5 %. */
export const CBC_TUNING: CbcTuning = { pieceBytes: 256 * 1024, inFlight: 4 };

/** Size of `IV ‖ ciphertext` for a plaintext of `plainBytes` bytes. */
export function encryptedSize(plainBytes: number): number {
  return BLOCK_BYTES + (Math.floor(plainBytes / BLOCK_BYTES) + 1) * BLOCK_BYTES;
}

/**
 * Size of the plaintext of an encrypted stream, from its size and its last 32 bytes alone.
 * @throws {IntegrityError} when the size is impossible or the padding is wrong
 */
export async function plainSize(encryptedBytes: number, tail: Bytes, key: CbcKey): Promise<number> {
  checkSize(encryptedBytes);
  const iv = tail.subarray(0, BLOCK_BYTES);
  const last = await unpad(tail.subarray(BLOCK_BYTES), iv, key);
  return encryptedBytes - 2 * BLOCK_BYTES + last.byteLength;
}

/** @throws {IntegrityError} unless a v1 stream can have this size: IV and at least one block, whole blocks only */
export function checkSize(encryptedBytes: number): void {
  if (encryptedBytes >= 2 * BLOCK_BYTES && encryptedBytes % BLOCK_BYTES === 0) return;
  throw new IntegrityError(
    `The encrypted data was cut off: ${encryptedBytes} bytes are not whole blocks of an AES-CBC stream`,
  );
}

/**
 * Encrypts to `IV (16 B) ‖ AES-256-CBC/PKCS7`. The chain of CBC is kept over pieces by using the last block of one as
 * the IV of the next, and dropping the padding block that WebCrypto adds to each but the last.
 * @param iv 16 random bytes; given only by tests
 */
export function encryptCbc(
  source: ByteStream,
  key: CbcKey,
  iv: Bytes = crypto.getRandomValues(new Uint8Array(BLOCK_BYTES)),
  { pieceBytes }: CbcTuning = CBC_TUNING,
): ByteStream {
  const reader = byteReader(source);
  let chain: Bytes | undefined = iv;
  let prefix = iv;
  return byteStream(async () => {
    if (chain === undefined) return undefined;
    const plain = await reader.read(pieceBytes);
    const isLast = plain.byteLength < pieceBytes;
    const padded = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv: chain }, key.web, plain));
    release(plain);
    const piece = isLast ? padded : padded.subarray(0, -BLOCK_BYTES);
    chain = isLast ? undefined : piece.slice(-BLOCK_BYTES);
    const whole = prefix.byteLength > 0 ? concat(prefix, piece) : piece;
    prefix = new Uint8Array(0);
    return whole;
  }, (reason) => reader.cancel(reason));
}

/**
 * Decrypts `IV ‖ ciphertext`, in order, several pieces in flight. v1 has no authentication: all but the last piece leave
 * unchecked; the last is held back until the source has ended well and its padding is right.
 * The stream fails with {@link IntegrityError} on a cut stream or wrong padding, always with the same sentence.
 */
export function decryptCbc(source: ByteStream, key: CbcKey, tuning: CbcTuning = CBC_TUNING): ByteStream {
  const pieces = new CipherPieces(byteReader(source), tuning.pieceBytes);
  return piecesInFlight(tuning.inFlight, {
    async start() {
      const piece = await pieces.next();
      return piece && { piece: decryptPiece(piece, key) };
    },
    cancel: (reason) => pieces.cancel(reason),
  });
}

interface CipherPiece {
  readonly iv: Bytes;
  readonly bytes: Bytes;
  readonly isLast: boolean;
}

/** Cuts a stream into pieces that know their IV, and whether they are the last: reads one piece ahead. */
class CipherPieces {
  readonly #reader: ByteReader;
  readonly #pieceBytes: number;
  #iv: Bytes | undefined;
  #ahead: Bytes | undefined;

  constructor(reader: ByteReader, pieceBytes: number) {
    this.#reader = reader;
    this.#pieceBytes = pieceBytes;
  }

  async next(): Promise<CipherPiece | undefined> {
    this.#iv ??= await this.#reader.read(BLOCK_BYTES);
    const bytes = this.#ahead ?? await this.#reader.read(this.#pieceBytes);
    if (bytes.byteLength === 0 && this.#ahead !== undefined) return undefined;
    this.#ahead = bytes.byteLength < this.#pieceBytes ? new Uint8Array(0) : await this.#reader.read(this.#pieceBytes);
    if (this.#iv.byteLength < BLOCK_BYTES || bytes.byteLength === 0 || bytes.byteLength % BLOCK_BYTES !== 0) {
      throw unreadable();
    }
    const piece = { iv: this.#iv, bytes, isLast: this.#ahead.byteLength === 0 };
    this.#iv = bytes.slice(-BLOCK_BYTES);
    return piece;
  }

  cancel(reason: unknown): Promise<void> {
    return this.#reader.cancel(reason);
  }
}

async function decryptPiece({ iv, bytes, isLast }: CipherPiece, key: CbcKey): Promise<Bytes> {
  if (!isLast && key.decryptBlocks !== undefined) {
    const plain = await key.decryptBlocks(iv, bytes);
    release(bytes);
    return plain;
  }
  const padded = isLast ? bytes : concat(bytes, await paddingAfter(bytes.slice(-BLOCK_BYTES), key));
  const plain = await unpad(padded, iv, key);
  release(padded);
  if (!isLast) release(bytes);
  return plain;
}

/** WebCrypto insists on padding: this is the ciphertext block that decrypts to a whole block of it behind `lastBlock`. */
async function paddingAfter(lastBlock: Bytes, key: CbcKey): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv: lastBlock }, key.web, new Uint8Array(0)));
}

async function unpad(padded: Bytes, iv: Bytes, key: CbcKey): Promise<Bytes> {
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-CBC", iv }, key.web, padded));
  } catch (error) {
    if (error instanceof DOMException) throw unreadable();
    throw error;
  }
}

function unreadable(): IntegrityError {
  return new IntegrityError(
    "The encrypted data cannot be opened: the key is another one, or the data was cut off or changed",
  );
}

/** Encrypts something small as a whole. */
export function encryptSmall(plain: Bytes, key: CbcKey): Promise<Bytes> {
  return collect(encryptCbc(streamOf(plain), key), encryptedSize(plain.byteLength));
}

/** Decrypts something small as a whole. @throws {IntegrityError} */
export function decryptSmall(encrypted: Bytes, key: CbcKey): Promise<Bytes> {
  return collect(decryptCbc(streamOf(encrypted), key), encrypted.byteLength);
}
