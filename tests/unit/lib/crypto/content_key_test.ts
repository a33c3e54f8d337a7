import assert from "node:assert/strict";
import { hkdfSync } from "node:crypto";
import { utf8 } from "../../../../lib/bytes.ts";
import { deriveBytes, importContentKey, keyCommitment } from "../../../../lib/crypto/content_key.ts";
import { keystream } from "../../../support/keystream.ts";

Deno.test("keyCommitment() and deriveBytes() agree with node:crypto's HKDF", async () => {
  for (const sizeBytes of [16, 32]) {
    const raw = keystream("content key", sizeBytes);
    const contentKey = await importContentKey(raw.slice());
    const commitment = hkdfSync("sha256", raw, new Uint8Array(0), "v2-commit", 32);
    assert.deepEqual(await keyCommitment(contentKey), new Uint8Array(commitment));
    const derived = hkdfSync("sha256", raw, utf8("salt"), utf8("info"), 44);
    assert.deepEqual(await deriveBytes(contentKey, utf8("salt"), utf8("info"), 44), new Uint8Array(derived));
  }
});

Deno.test("importContentKey() overwrites the raw bytes and gives a key that cannot be exported", async () => {
  const raw = keystream("content key", 32);
  const contentKey = await importContentKey(raw);
  assert.deepEqual(raw, new Uint8Array(32));
  await assert.rejects(crypto.subtle.exportKey("raw", contentKey), DOMException);
});
