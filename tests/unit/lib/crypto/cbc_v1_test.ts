import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import fc from "fast-check";
import type { Bytes } from "../../../../lib/bytes.ts";
import {
  CBC_TUNING,
  type CbcTuning,
  decryptCbc,
  decryptSmall,
  encryptCbc,
  encryptedSize,
  plainSize,
} from "../../../../lib/crypto/cbc_v1.ts";
import { aesKey, archiveKey, type CbcKey, sha256Hex } from "../../../../lib/crypto/keys.ts";
import { IntegrityError } from "../../../../lib/errors.ts";
import { type ByteStream, byteStream, collect, streamOf } from "../../../../lib/streams.ts";
import { keystream } from "../../../support/keystream.ts";
import { V1 } from "../../../support/v1_vectors.ts";

const LIMIT = 4 * 1024 * 1024;
const SMALL_PIECES: CbcTuning = { pieceBytes: 64, inFlight: 3 };
const KEY_BYTES = new Uint8Array(32).fill(7);
const key = async (): Promise<CbcKey> => ({
  web: await crypto.subtle.importKey("raw", KEY_BYTES, "AES-CBC", false, ["encrypt", "decrypt"]),
});

function inChunksOf(bytes: Bytes, size: number): ByteStream {
  let offset = 0;
  return byteStream(() => {
    const chunk = bytes.slice(offset, offset + size);
    offset += size;
    return Promise.resolve(offset - size < bytes.byteLength ? chunk : undefined);
  });
}

function nodeEncrypt(plain: Bytes, iv: Bytes): Bytes {
  const cipher = createCipheriv("aes-256-cbc", KEY_BYTES, iv);
  return new Uint8Array(Buffer.concat([iv, cipher.update(plain), cipher.final()]));
}

function nodeDecrypt(encrypted: Bytes): Bytes {
  const decipher = createDecipheriv("aes-256-cbc", KEY_BYTES, encrypted.slice(0, 16));
  return new Uint8Array(Buffer.concat([decipher.update(encrypted.slice(16)), decipher.final()]));
}

for (const vector of V1.cbc) {
  Deno.test(`encryptCbc() and decryptCbc() match the vector of ${vector.length} bytes`, async () => {
    const resourceKey = await aesKey(vector.key_string);
    const plain = keystream(vector.seed, vector.length);
    const encrypted = await collect(encryptCbc(streamOf(plain), resourceKey, Uint8Array.fromHex(vector.iv_hex)), LIMIT);
    assert.equal(encrypted.byteLength, vector.encrypted_length);
    assert.equal(encryptedSize(vector.length), vector.encrypted_length);
    assert.equal(await sha256Hex(encrypted), vector.encrypted_sha256);
    assert.equal(await plainSize(encrypted.byteLength, encrypted.slice(-32), resourceKey), vector.length);
    for (const source of [streamOf(encrypted), inChunksOf(encrypted, 1021)]) {
      assert.equal(await sha256Hex(await collect(decryptCbc(source, resourceKey), LIMIT)), vector.plaintext_sha256);
    }
  });
}

for (const { fragment_b64, seed, length, iv_hex, encrypted_sha256 } of V1.archive) {
  Deno.test(`an archive of ${length} bytes under a key fragment matches its vector`, async () => {
    const archive = encryptCbc(
      streamOf(keystream(seed, length)),
      await archiveKey(Uint8Array.fromBase64(fragment_b64)),
      Uint8Array.fromHex(iv_hex),
    );
    assert.equal(await sha256Hex(await collect(archive, LIMIT)), encrypted_sha256);
  });
}

for (const { why, key_string, encrypted_b64, ...outcome } of V1.bad) {
  Deno.test(`decryptCbc() of a bad vector: ${why}`, async () => {
    const opened = decryptSmall(Uint8Array.fromBase64(encrypted_b64), await aesKey(key_string));
    if (!("garbage_sha256" in outcome)) return await assert.rejects(opened, IntegrityError);
    assert.equal(await sha256Hex(await opened), outcome.garbage_sha256, "v1 cannot notice this one");
  });
}

Deno.test("decryptCbc() agrees with node:crypto at every size round the borders of its pieces, byte by byte too", async () => {
  for (let size = 0; size <= 3 * SMALL_PIECES.pieceBytes + 1; size++) {
    const plain = keystream("borders", size);
    const encrypted = nodeEncrypt(plain, new Uint8Array(16).fill(size));
    for (const chunkBytes of [1, 16, 63, 64, 65, encrypted.byteLength]) {
      const opened = await collect(decryptCbc(inChunksOf(encrypted, chunkBytes), await key(), SMALL_PIECES), LIMIT);
      assert.deepEqual(opened, plain, `${size} bytes in chunks of ${chunkBytes}`);
    }
    assert.equal(await plainSize(encrypted.byteLength, encrypted.slice(-32), await key()), size);
  }
});

Deno.test("encryptCbc() gives what node:crypto opens, for any bytes and piece size", async () => {
  await fc.assert(fc.asyncProperty(
    fc.uint8Array({ maxLength: 1000 }),
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 1, max: 300 }),
    async (bytes, blocks, chunkBytes) => {
      const plain = new Uint8Array(bytes);
      const tuning = { pieceBytes: 16 * blocks, inFlight: 2 };
      const encrypted = await collect(encryptCbc(inChunksOf(plain, chunkBytes), await key(), undefined, tuning), LIMIT);
      assert.equal(encrypted.byteLength, encryptedSize(plain.byteLength));
      assert.deepEqual(nodeDecrypt(encrypted), plain);
    },
  ));
});

Deno.test("decryptCbc() refuses every cut that leaves an impossible size", async () => {
  const encrypted = nodeEncrypt(keystream("cut", 200), new Uint8Array(16));
  for (let size = 0; size < encrypted.byteLength; size++) {
    if (size % 16 === 0 && size >= 32) continue; // v1 notices those by the padding only, most of the time
    await assert.rejects(
      collect(decryptCbc(inChunksOf(encrypted.slice(0, size), 50), await key(), SMALL_PIECES), LIMIT),
      {
        name: "IntegrityError",
        message: /cannot be opened/,
      },
      `cut to ${size} bytes`,
    );
  }
});

Deno.test("decryptCbc() holds the last piece back until the padding is checked", async () => {
  const encrypted = nodeEncrypt(keystream("held", 200), new Uint8Array(16));
  encrypted.set(randomBytes(16), encrypted.byteLength - 32);
  const reader = decryptCbc(streamOf(encrypted), await key(), SMALL_PIECES).getReader();
  let released = 0;
  await assert.rejects(async () => {
    for (;;) released += (await reader.read()).value?.byteLength ?? 0;
  }, IntegrityError);
  assert.equal(released, 192, "whole pieces before the last");
});

Deno.test("decryptCbc() passes the failure of its source on, and a cancel back to it", async () => {
  const broken = byteStream(() => Promise.reject(new Error("the line went down")));
  await assert.rejects(collect(decryptCbc(broken, await key()), LIMIT), /the line went down/);

  let reason: unknown;
  const endless = byteStream(
    () => Promise.resolve(new Uint8Array(CBC_TUNING.pieceBytes)),
    (why) => void (reason = why),
  );
  const reader = decryptCbc(endless, await key()).getReader();
  await reader.read();
  await reader.cancel("enough");
  assert.equal(reason, "enough");
});
