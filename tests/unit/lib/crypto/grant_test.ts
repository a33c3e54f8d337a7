import assert from "node:assert/strict";
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from "hpke";
import { toBase64Url, utf8 } from "../../../../lib/bytes.ts";
import { deviceKey, grantInfo, makeGrant, openGrant } from "../../../../lib/crypto/grant.ts";
import { generateJwk, type PrivateJwk, publicHalf, thumbprint } from "../../../../lib/crypto/okp_key.ts";
import HPKE from "../../../fixtures/hpke.json" with { type: "json" };
import { keystream } from "../../../support/keystream.ts";

const BINDING = { payload: utf8('{"v":2}'), user: "ada@example.com", exp: 1_900_000_000 };
const suite = () => new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
const hex = (text: string) => Uint8Array.fromHex(text);

function jwkOf(skR: string, pkR: string): PrivateJwk {
  return { kty: "OKP", crv: "X25519", x: toBase64Url(hex(pkR)), d: toBase64Url(hex(skR)) };
}

Deno.test("the HPKE suite of grants opens the vector of RFC 9180, message by message", async () => {
  const { skRm, pkRm, enc, info, encryptions } = HPKE.rfc9180;
  const { pair } = await deviceKey(jwkOf(skRm, pkRm));
  const context = await suite().SetupRecipient(pair, hex(enc), { info: hex(info) });
  for (const { sequence, aad, pt, ct } of encryptions.slice(0, 3)) {
    assert.equal((await context.Open(hex(ct), hex(aad))).toHex(), pt, `message ${sequence}`);
  }
});

for (const [index, { skR, pkR, info, aad, pt, enc, ct }] of HPKE.wraps.entries()) {
  Deno.test(`the HPKE suite of grants opens wrap ${index} of other implementations`, async () => {
    const { pair } = await deviceKey(jwkOf(skR, pkR));
    const opened = await suite().Open(pair, hex(enc), hex(ct), { info: hex(info), aad: hex(aad) });
    assert.equal(opened.toHex(), pt);
  });
}

for (const { what, skR, info, aad, enc, ct } of HPKE.refuse) {
  Deno.test(`the HPKE suite of grants refuses a wrap: ${what}`, async () => {
    const privateKey = await suite().DeserializePrivateKey(hex(skR), true);
    await assert.rejects(suite().Open(privateKey, hex(enc), hex(ct), { info: hex(info), aad: hex(aad) }));
  });
}

for (const sizeBytes of [16, 32]) {
  Deno.test(`openGrant() gives back a content key of ${sizeBytes} bytes`, async () => {
    const jwk = await generateJwk("X25519");
    const contentKey = keystream("cek", sizeBytes);
    const grant = await makeGrant(contentKey, publicHalf(jwk), BINDING);
    assert.equal(grant.kid, await thumbprint(jwk));
    assert.equal(grant.enc.byteLength, 32);
    assert.equal(grant.ct.byteLength, sizeBytes + 16);
    assert.deepEqual(await openGrant(grant, await deviceKey(jwk), BINDING.payload), contentKey);
  });
}

Deno.test("openGrant() refuses a grant of another device, manifest, user, time or key name, and a changed one", async () => {
  const jwk = await generateJwk("X25519");
  const device = await deviceKey(jwk);
  const other = await deviceKey(await generateJwk("X25519"));
  const grant = await makeGrant(keystream("cek", 16), jwk, BINDING);
  const flipped = grant.ct.slice();
  flipped.set([(flipped[0] ?? 0) ^ 1]);
  const cases = {
    device: () => openGrant(grant, other, BINDING.payload),
    manifest: () => openGrant(grant, device, utf8('{"v":2 }')),
    user: () => openGrant({ ...grant, user: "eve@example.com" }, device, BINDING.payload),
    time: () => openGrant({ ...grant, exp: grant.exp + 1 }, device, BINDING.payload),
    kid: () => openGrant({ ...grant, kid: other.kid }, device, BINDING.payload),
    ct: () => openGrant({ ...grant, ct: flipped }, device, BINDING.payload),
    enc: () => openGrant({ ...grant, enc: new Uint8Array(32) }, device, BINDING.payload),
  };
  for (const [what, opened] of Object.entries(cases)) {
    await assert.rejects(opened(), { name: "IntegrityError", step: "grant-open" }, what);
  }
});

Deno.test("grantInfo() separates its fields by zero bytes, the digest of the payload first", async () => {
  const info = await grantInfo("kid", { payload: utf8("abc"), user: "u", exp: 12 });
  assert.equal(
    info.toHex(),
    utf8("v2-grant\0").toHex() + "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" +
      utf8("\0kid\0u\x0012").toHex(),
  );
});

Deno.test("deviceKey() cannot be exported, and is on X25519 only", async () => {
  const { pair } = await deviceKey(await generateJwk("X25519"));
  await assert.rejects(crypto.subtle.exportKey("jwk", pair.privateKey), DOMException);
  await assert.rejects(deviceKey(await generateJwk("Ed25519")), TypeError);
});
