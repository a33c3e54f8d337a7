import { type Bytes, concat, equalBytes, release, wipe } from "../bytes.ts";
import { IntegrityError } from "../errors.ts";
import { deriveBytes } from "./content_key.ts";
import type { StreamSuite, UnitCipher, UnitPlace } from "./stream_suite.ts";
import { TAG_BYTES } from "./unit_layout.ts";
import { checkedTag, wrongTag } from "./unit_tag_error.ts";

const SALT_BYTES = 32;
const NONCE_PREFIX_BYTES = 7;
const NONCE_BYTES = 12;
const KEY_BYTES = 32;
/** Size of the header, in its own first byte. */
const HEADER_BYTES = 1 + SALT_BYTES + NONCE_PREFIX_BYTES;
const SEGMENT_COUNT_LIMIT = 2 ** 32;

/**
 * Tink's AesGcmHkdfStreaming with HKDF-SHA256 and AES-256-GCM: `header ‖ segments`, where header is `28 ‖ salt (32 B) ‖ nonce prefix (7 B)`, and
 * a unit is one segment. Segment 0 is shorter by the header; the last may be shorter. The nonce of a segment is
 * `prefix ‖ u32be(index) ‖ (01 when it is the last, else 00)`. The associated data is the `info` of HKDF.
 * @param segmentBytes size of a segment with its tag; of segment 0, with the header as well
 * @see https://developers.google.com/tink/streaming-aead/aes_gcm_hkdf_streaming
 */
export function tinkStreaming(name: string, segmentBytes: number): StreamSuite {
  return {
    name,
    contentKeyBytes: KEY_BYTES,
    layout: {
      headerBytes: HEADER_BYTES,
      firstPlainBytes: segmentBytes - HEADER_BYTES - TAG_BYTES,
      plainBytes: segmentBytes - TAG_BYTES,
      chunksPerUnit: 1,
      lastPlainBytesMin: 0,
    },
    newHeader: () => concat(Uint8Array.of(HEADER_BYTES), crypto.getRandomValues(new Uint8Array(HEADER_BYTES - 1))),
    unitCipher: segmentCipher,
  };
}

/** The suite `A256GCM-HKDF-1M`: stock Tink files with segments of 1 MiB. */
export const TINK_SUITE: StreamSuite = tinkStreaming("A256GCM-HKDF-1M", 1024 * 1024);

async function segmentCipher(contentKey: CryptoKey, header: Bytes, associatedData: Bytes): Promise<UnitCipher> {
  if (header.byteLength !== HEADER_BYTES || header[0] !== HEADER_BYTES) {
    throw new IntegrityError(`The header of the big part is none of ${HEADER_BYTES} bytes`, { step: "form" });
  }
  const salt = header.subarray(1, 1 + SALT_BYTES);
  const prefix = header.subarray(1 + SALT_BYTES);
  const raw = await deriveBytes(contentKey, salt, associatedData, KEY_BYTES);
  const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
  wipe(raw);
  const parameters = (place: UnitPlace) => ({ name: "AES-GCM", iv: segmentNonce(prefix, place) });
  return {
    async seal(plain, place) {
      const segment = new Uint8Array(await crypto.subtle.encrypt(parameters(place), key, plain));
      return place.index === 0 ? concat(header, segment) : segment;
    },
    async open(unit, place) {
      if (place.index === 0 && !equalBytes(unit.subarray(0, HEADER_BYTES), header)) throw wrongTag();
      const segment = place.index === 0 ? unit.subarray(HEADER_BYTES) : unit;
      const plain = await checkedTag(crypto.subtle.decrypt(parameters(place), key, segment));
      release(unit);
      return new Uint8Array(plain);
    },
  };
}

function segmentNonce(prefix: Bytes, { index, isLast }: UnitPlace): Bytes {
  if (index >= SEGMENT_COUNT_LIMIT) throw new RangeError(`Segment ${index} is past the last that a nonce can count`);
  const nonce = new Uint8Array(NONCE_BYTES);
  nonce.set(prefix);
  new DataView(nonce.buffer).setUint32(NONCE_PREFIX_BYTES, index);
  nonce[NONCE_BYTES - 1] = isLast ? 1 : 0;
  return nonce;
}
