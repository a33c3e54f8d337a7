import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { utf8 } from "../../../../lib/bytes.ts";
import { decryptSmall, encryptCbc } from "../../../../lib/crypto/cbc_v1.ts";
import {
  aesKey,
  apiKeyString,
  archiveKey,
  hardwareHash,
  resourceKeyString,
  sha256Hex,
} from "../../../../lib/crypto/keys.ts";
import { collect, streamOf } from "../../../../lib/streams.ts";
import { keystream } from "../../../support/keystream.ts";
import { V1 } from "../../../support/v1_vectors.ts";

Deno.test("resourceKeyString() is the constant of the format", async () => {
  assert.equal(await resourceKeyString(), V1.resource_key);
  assert.equal(createHash("sha256").update(V1.resource_key).digest("hex"), V1.resource_aes_key_hex);
});

for (const { email, password, hardware, hw_hash, api_key } of V1.keys) {
  Deno.test(`hardwareHash() and apiKeyString() match the vector of ${email}`, async () => {
    assert.equal(await hardwareHash(hardware), hw_hash);
    assert.equal(await apiKeyString(email, password, hw_hash), api_key);
  });
}

Deno.test("aesKey() and archiveKey() cannot be exported", async () => {
  for (const key of [await aesKey("text"), await archiveKey(utf8("fragment"))]) {
    assert.equal(key.web.extractable, false);
    await assert.rejects(crypto.subtle.exportKey("raw", key.web));
  }
});

Deno.test("a small part as the API sends it opens with the key of its user and hardware, and joins its big part", async () => {
  const { email, password, hardware, seed, length, inner_iv_hex, inner_sha256, big_sha256, wire_b64 } = V1.layered;
  const apiKey = await aesKey(await apiKeyString(email, password, await hardwareHash(hardware)));
  const small = await decryptSmall(Uint8Array.fromBase64(wire_b64), apiKey);

  const resourceKey = await aesKey(await resourceKeyString());
  const encrypted = encryptCbc(streamOf(keystream(seed, length)), resourceKey, Uint8Array.fromHex(inner_iv_hex));
  const whole = await collect(encrypted, 2 * length);
  assert.equal(await sha256Hex(whole), inner_sha256);
  assert.deepEqual(small, whole.slice(0, 3072));
  assert.equal(await sha256Hex(whole.slice(3072)), big_sha256);
});
