import { type Bytes, equalBytes, release, utf8, wipe } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";
import { deriveBytes } from "./content_key.ts";
import type { StreamSuite, UnitCipher, UnitPlace } from "./stream_suite.ts";
import { TAG_BYTES } from "./unit_layout.ts";
import { checkedTag, wrongTag } from "./unit_tag_error.ts";

const FILE_KEY_BYTES = 16;
const HEADER_BYTES = 16;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const PLAIN_BYTES = 64 * 1024;
const CHUNK_BYTES = PLAIN_BYTES + TAG_BYTES;
const CHUNKS_PER_UNIT = 16;
const ALGORITHM = "ChaCha20-Poly1305";

/**
 * The suite `C20P-AGE`: the payload of an age v1 file, `nonce (16 B) ‖ chunks` of 64 KiB and their tags, under
 * HKDF-SHA256(file key, nonce, "payload"). The nonce of a chunk is `u88be(index) ‖ (01 when it is the last, else 00)`; a unit is 16 chunks.
 * The suite binds no associated data: the hashes in the signed manifest do.
 * @see https://age-encryption.org/v1#payload
 */
export const AGE_SUITE: StreamSuite = {
  name: "C20P-AGE",
  contentKeyBytes: FILE_KEY_BYTES,
  layout: {
    headerBytes: HEADER_BYTES,
    firstPlainBytes: PLAIN_BYTES,
    plainBytes: PLAIN_BYTES,
    chunksPerUnit: CHUNKS_PER_UNIT,
    lastPlainBytesMin: 1,
  },
  newHeader: () => crypto.getRandomValues(new Uint8Array(HEADER_BYTES)),
  unitCipher: chunkCipher,
};

async function chunkCipher(contentKey: CryptoKey, header: Bytes): Promise<UnitCipher> {
  if (header.byteLength !== HEADER_BYTES) {
    throw new IntegrityError(`The header of the big part is none of ${HEADER_BYTES} bytes`, { step: "form" });
  }
  const raw = await deriveBytes(contentKey, header, utf8("payload"), KEY_BYTES);
  const key = await crypto.subtle.importKey("raw-secret", raw, ALGORITHM, false, ["encrypt", "decrypt"]);
  wipe(raw);
  return {
    seal: (plain, place) => sealChunks(key, header, plain, place),
    open: (unit, place) => openChunks(key, header, unit, place),
  };
}

async function sealChunks(key: CryptoKey, header: Bytes, plain: Bytes, place: UnitPlace): Promise<Bytes> {
  const start = place.index === 0 ? HEADER_BYTES : 0;
  const chunkCount = Math.max(1, Math.ceil(plain.byteLength / PLAIN_BYTES));
  const unit = new Uint8Array(start + plain.byteLength + chunkCount * TAG_BYTES);
  if (start > 0) unit.set(header);
  await Promise.all(Array.from({ length: chunkCount }, async (_, chunk) => {
    const piece = plain.subarray(chunk * PLAIN_BYTES, (chunk + 1) * PLAIN_BYTES);
    const iv = chunkNonce(place, chunk, chunkCount);
    const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: ALGORITHM, iv }, key, piece));
    unit.set(sealed, start + chunk * CHUNK_BYTES);
    release(sealed);
  }));
  return unit;
}

async function openChunks(key: CryptoKey, header: Bytes, unit: Bytes, place: UnitPlace): Promise<Bytes> {
  const start = place.index === 0 ? HEADER_BYTES : 0;
  if (!equalBytes(unit.subarray(0, start), header.subarray(0, start))) throw wrongTag();
  const body = unit.subarray(start);
  const chunkCount = Math.max(1, Math.ceil(body.byteLength / CHUNK_BYTES));
  if (body.byteLength < chunkCount * TAG_BYTES) throw wrongTag();
  const plain = new Uint8Array(body.byteLength - chunkCount * TAG_BYTES);
  const opened = await Promise.allSettled(Array.from({ length: chunkCount }, async (_, chunk) => {
    const piece = body.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES);
    const iv = chunkNonce(place, chunk, chunkCount);
    const part = new Uint8Array(await checkedTag(crypto.subtle.decrypt({ name: ALGORITHM, iv }, key, piece)));
    plain.set(part, chunk * PLAIN_BYTES);
    release(part);
  }));
  for (const outcome of opened) if (outcome.status === "rejected") throw outcome.reason;
  release(unit);
  return plain;
}

function chunkNonce({ index, isLast }: UnitPlace, chunk: number, chunkCount: number): Bytes {
  const nonce = new Uint8Array(NONCE_BYTES);
  new DataView(nonce.buffer).setBigUint64(3, BigInt(index * CHUNKS_PER_UNIT + chunk));
  nonce[NONCE_BYTES - 1] = isLast && chunk === chunkCount - 1 ? 1 : 0;
  return nonce;
}
