import assert from "node:assert/strict";
import { join } from "node:path";
import { type Bytes, concat, utf8 } from "../../../../lib/bytes.ts";
import { deriveBytes, importContentKey } from "../../../../lib/crypto/content_key.ts";
import { sha256Hex } from "../../../../lib/crypto/keys.ts";
import { type BigPart, openUnits } from "../../../../lib/crypto/open_units.ts";
import { sealUnits } from "../../../../lib/crypto/seal_units.ts";
import { TINK_SUITE, tinkStreaming } from "../../../../lib/crypto/stream_tink.ts";
import { bigSize, plainSize, unitCount, unitStart } from "../../../../lib/crypto/unit_layout.ts";
import { IntegrityError } from "../../../../lib/errors.ts";
import { type ByteStream, collect, streamOf } from "../../../../lib/streams.ts";
import { inChunksOf } from "../../../support/chunks.ts";
import { keystream } from "../../../support/keystream.ts";
import { TINK, TINK_NEGATIVE } from "../../../support/tink_vectors.ts";

const LIMIT = 8 * 1024 * 1024;

interface Vector {
  readonly segment_size: number;
  readonly ikm_hex: string;
  readonly aad_b64: string;
}

async function bigPart(vector: Vector, header: Bytes, sizeBytes: number): Promise<BigPart> {
  const suite = tinkStreaming("test", vector.segment_size);
  const contentKey = await importContentKey(Uint8Array.fromHex(vector.ikm_hex));
  const cipher = await suite.unitCipher(contentKey, header, Uint8Array.fromBase64(vector.aad_b64));
  return { layout: suite.layout, cipher, sizeBytes };
}

/** As a reader without a manifest does it: the header and the number of units come from the file itself. */
async function open(vector: Vector, file: Bytes, source: (file: Bytes) => ByteStream = streamOf): Promise<Bytes> {
  return await collect(openUnits(source(file), await bigPart(vector, file.slice(0, 40), file.byteLength)), LIMIT);
}

for (const vector of TINK.cases) {
  Deno.test(`A256GCM-HKDF writes and reads Tink's file of ${vector.length} bytes in segments of ${vector.segment_size}`, async () => {
    const { layout } = tinkStreaming("test", vector.segment_size);
    const header = Uint8Array.fromHex(vector.header_hex);
    const big = await bigPart(vector, header, vector.ciphertext_length);
    const sealing = sealUnits(streamOf(keystream(vector.seed, vector.length)), layout, big.cipher);
    const file = await collect(sealing.body, LIMIT);
    assert.equal(await sha256Hex(file), vector.ciphertext_sha256);
    assert.equal(file.slice(-16).toHex(), vector.last_tag_hex);
    const facts = sealing.facts();
    assert.equal(facts.big.size, vector.ciphertext_length);
    assert.equal(facts.big.sha256.toHex(), vector.ciphertext_sha256);
    assert.equal(facts.plain.sha256.toHex(), vector.plaintext_sha256);
    assert.equal(bigSize(layout, vector.length), vector.ciphertext_length);
    assert.equal(plainSize(layout, vector.ciphertext_length), vector.length);
    assert.equal(unitCount(layout, vector.ciphertext_length), vector.segments);
    if (vector.segment_sha256.length === vector.segments) {
      assert.equal(facts.hashes.toHex(), vector.segment_sha256.join(""));
    }
    for (const source of [streamOf, (bytes: Bytes) => inChunksOf(bytes, 4099)]) {
      assert.equal(await sha256Hex(await open(vector, file, source)), vector.plaintext_sha256);
    }
  });

  Deno.test(`A256GCM-HKDF derives Tink's key for ${vector.length} bytes in segments of ${vector.segment_size}`, async () => {
    const contentKey = await importContentKey(Uint8Array.fromHex(vector.ikm_hex));
    const salt = Uint8Array.fromHex(vector.header_hex).slice(1, 33);
    const derived = await deriveBytes(contentKey, salt, Uint8Array.fromBase64(vector.aad_b64), 32);
    assert.equal(derived.toHex(), vector.derived_key_hex);
  });
}

Deno.test("A256GCM-HKDF-1M opens the file that Tink wrote, as it lies on the disk", async () => {
  const { file: name, ikm_hex, aad_b64, plaintext_sha256, plaintext_length } = TINK.binary;
  const file = await Deno.readFile(join(import.meta.dirname ?? "", "../../../fixtures", name));
  const plain = await open({ segment_size: 1024 * 1024, ikm_hex, aad_b64 }, file, (bytes) => inChunksOf(bytes, 65_536));
  assert.equal(plain.byteLength, plaintext_length);
  assert.equal(await sha256Hex(plain), plaintext_sha256);
});

Deno.test("A256GCM-HKDF opens the file from which the refused ones were made", async () => {
  const plain = await open(TINK_NEGATIVE, Uint8Array.fromBase64(TINK_NEGATIVE.ciphertext_b64));
  assert.deepEqual(plain, keystream(TINK_NEGATIVE.seed, TINK_NEGATIVE.length));
});

assert.equal(TINK_NEGATIVE.mutations.length, 18);
for (const { what, ciphertext_b64 } of TINK_NEGATIVE.mutations) {
  Deno.test(`A256GCM-HKDF refuses Tink's vector "${what}", whole and byte by byte`, async () => {
    const file = Uint8Array.fromBase64(ciphertext_b64);
    await assert.rejects(open(TINK_NEGATIVE, file), IntegrityError);
    await assert.rejects(open(TINK_NEGATIVE, file, (bytes) => inChunksOf(bytes, 1)), IntegrityError);
  });
}

Deno.test("A256GCM-HKDF refuses other associated data", async () => {
  const vector = { ...TINK_NEGATIVE, aad_b64: TINK_NEGATIVE.wrong_aad_b64 };
  await assert.rejects(open(vector, Uint8Array.fromBase64(TINK_NEGATIVE.ciphertext_b64)), { step: "unit-tag" });
});

Deno.test("A256GCM-HKDF releases no byte of a segment that was changed, and all before it", async () => {
  const file = Uint8Array.fromBase64(TINK_NEGATIVE.ciphertext_b64);
  file.set([(file[9000] ?? 0) ^ 1], 9000); // in segment 2
  const reader = openUnits(streamOf(file), await bigPart(TINK_NEGATIVE, file.slice(0, 40), file.byteLength))
    .getReader();
  let released = 0;
  await assert.rejects(async () => {
    for (;;) released += (await reader.read()).value?.byteLength ?? 0;
  }, { step: "unit-tag" });
  assert.ok(released <= 4040 + 4080, `${released} bytes left`);
});

Deno.test("A256GCM-HKDF-1M opens any one segment alone", async () => {
  const vector = TINK.cases.at(-1);
  assert.ok(vector !== undefined);
  const plain = keystream(vector.seed, vector.length);
  const big = await bigPart(vector, Uint8Array.fromHex(vector.header_hex), vector.ciphertext_length);
  const file = await collect(sealUnits(streamOf(plain), big.layout, big.cipher).body, LIMIT);
  for (let index = 0; index < vector.segments; index++) {
    const segment = file.slice(unitStart(big.layout, index), unitStart(big.layout, index + 1));
    const opened = await collect(openUnits(streamOf(segment), big, { first: index, end: index + 1 }), LIMIT);
    const start = index === 0 ? 0 : index * 1_048_560 - 40;
    assert.deepEqual(opened, plain.slice(start, start + opened.byteLength), `segment ${index}`);
  }
});

Deno.test("A256GCM-HKDF refuses a header of another form before anything else", async () => {
  const contentKey = await importContentKey(new Uint8Array(32));
  for (const header of [new Uint8Array(40), new Uint8Array(16), concat(Uint8Array.of(40), new Uint8Array(40))]) {
    await assert.rejects(TINK_SUITE.unitCipher(contentKey, header, utf8("")), { step: "form" });
  }
});
