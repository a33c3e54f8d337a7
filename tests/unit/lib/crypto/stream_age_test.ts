import assert from "node:assert/strict";
import type { Bytes } from "../../../../lib/bytes.ts";
import { importContentKey } from "../../../../lib/crypto/content_key.ts";
import { sha256Hex } from "../../../../lib/crypto/keys.ts";
import { type BigPart, openUnits, unitEnd } from "../../../../lib/crypto/open_units.ts";
import { sealUnits } from "../../../../lib/crypto/seal_units.ts";
import { AGE_SUITE } from "../../../../lib/crypto/stream_age.ts";
import { bigSize, plainSize, plainStart, unitCount, unitStart } from "../../../../lib/crypto/unit_layout.ts";
import { IntegrityError } from "../../../../lib/errors.ts";
import { type ByteStream, collect, streamOf } from "../../../../lib/streams.ts";
import { AGE_VECTORS } from "../../../support/age_vectors.ts";
import { inChunksOf } from "../../../support/chunks.ts";
import { keystream } from "../../../support/keystream.ts";

const LIMIT = 32 * 1024 * 1024;
const UNIT_BYTES = 16 * (65_536 + 16);

async function bigPart(fileKey: Bytes, header: Bytes, sizeBytes: number): Promise<BigPart> {
  const cipher = await AGE_SUITE.unitCipher(await importContentKey(fileKey.slice()), header, new Uint8Array(0));
  return { layout: AGE_SUITE.layout, cipher, sizeBytes };
}

async function open(fileKey: Bytes, file: Bytes, source: (file: Bytes) => ByteStream = streamOf): Promise<Bytes> {
  return await collect(openUnits(source(file), await bigPart(fileKey, file.slice(0, 16), file.byteLength)), LIMIT);
}

assert.ok(AGE_VECTORS.filter(({ expect }) => expect === "payload failure").length >= 15);
for (const { name, expect, plainSha256, fileKey, payload } of AGE_VECTORS) {
  if (expect === "success") {
    Deno.test(`C20P-AGE opens age's vector "${name}", and writes the same bytes`, async () => {
      for (const source of [streamOf, (bytes: Bytes) => inChunksOf(bytes, 65_521)]) {
        assert.equal(await sha256Hex(await open(fileKey, payload, source)), plainSha256);
      }
      const { cipher } = await bigPart(fileKey, payload.slice(0, 16), payload.byteLength);
      const plain = await open(fileKey, payload);
      assert.deepEqual(await collect(sealUnits(streamOf(plain), AGE_SUITE.layout, cipher).body, LIMIT), payload);
    });
  } else {
    Deno.test(`C20P-AGE refuses age's vector "${name}"`, async () => {
      await assert.rejects(open(fileKey, payload), IntegrityError);
    });
  }
}

Deno.test("C20P-AGE counts units of 16 chunks, the nonce in front of the first", () => {
  const { layout } = AGE_SUITE;
  assert.deepEqual([0, 1, 2].map((index) => unitStart(layout, index)), [0, 16 + UNIT_BYTES, 16 + 2 * UNIT_BYTES]);
  assert.deepEqual([0, 1, 2].map((index) => plainStart(layout, index)), [0, 1 << 20, 2 << 20]);
});

Deno.test("C20P-AGE knows every size round the borders of chunks and units without data", async () => {
  const { layout } = AGE_SUITE;
  const fileKey = keystream("file key", 16);
  const borders = [0, 65_536, 131_072, 1 << 20, (1 << 20) + 65_536];
  for (const size of borders.flatMap((border) => [border - 1, border, border + 1]).filter((size) => size >= 0)) {
    const plain = keystream("borders", size);
    const { cipher } = await bigPart(fileKey, keystream("nonce", 16), 0);
    const sealing = sealUnits(streamOf(plain), layout, cipher);
    const file = await collect(sealing.body, LIMIT);
    assert.equal(file.byteLength, bigSize(layout, size), `${size} bytes`);
    assert.equal(plainSize(layout, file.byteLength), size);
    assert.equal(unitCount(layout, file.byteLength), Math.max(1, Math.ceil(size / (1 << 20))));
    assert.equal(sealing.facts().hashes.byteLength, 32 * unitCount(layout, file.byteLength));
    assert.deepEqual(await open(fileKey, file), plain, `${size} bytes`);
  }
});

Deno.test("C20P-AGE refuses units that were flipped, dropped, doubled, swapped, or cut at a border", async () => {
  const fileKey = keystream("file key", 16);
  const { cipher } = await bigPart(fileKey, keystream("nonce", 16), 0);
  const file = await collect(sealUnits(streamOf(keystream("units", 3 << 20)), AGE_SUITE.layout, cipher).body, LIMIT);
  const big = await bigPart(fileKey, file.slice(0, 16), file.byteLength);
  const units = [0, 1, 2].map((index) => file.slice(unitStart(big.layout, index), unitEnd(big, index)));
  const [first, second, third] = units;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const flipped = second.slice();
  flipped.set([(flipped[70_000] ?? 0) ^ 0x80], 70_000);
  const changes = {
    flipped: [first, flipped, third],
    dropped: [first, third],
    doubled: [first, second, second, third],
    swapped: [first, third, second],
    cut: [first, second],
  };
  for (const [what, parts] of Object.entries(changes)) {
    const changed = new Uint8Array(await new Blob(parts).arrayBuffer());
    await assert.rejects(open(fileKey, changed), IntegrityError, `${what}, its size believed`);
    await assert.rejects(collect(openUnits(streamOf(changed), big), LIMIT), IntegrityError, `${what}, the size known`);
  }
});
