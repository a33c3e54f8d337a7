import assert from "node:assert/strict";
import { CompactSign, exportJWK } from "jose";
import { type Bytes, toBase64Url, utf8 } from "../../../../lib/bytes.ts";
import { makeGrant } from "../../../../lib/crypto/grant.ts";
import { generateJwk } from "../../../../lib/crypto/okp_key.ts";
import type { IntegrityStep } from "../../../../lib/errors.ts";
import { serializeManifest } from "../../../../lib/split/manifest.ts";
import { publisherKey, signManifest, verifyManifest } from "../../../../lib/split/manifest_signature.ts";
import { checkManifest, committedKey, openSmallPart } from "../../../../lib/split/open_small_part.ts";
import { keystream } from "../../../support/keystream.ts";
import {
  NOW_SECONDS,
  parties,
  rules,
  sealed,
  type SealedResource,
  smallPart,
} from "../../../support/sealed_resource.ts";

const PLAIN = keystream("content", 100_000);

Deno.test("openSmallPart() opens what was published for this device and user, and keeps the content key unexportable", async () => {
  const keys = await parties();
  for (const suite of ["C20P-AGE", "A256GCM-HKDF-1M"] as const) {
    const { small, manifest } = await sealed(PLAIN, keys, { suite });
    const opened = await openSmallPart(small, rules(keys));
    assert.deepEqual(opened.manifest.big, manifest.big);
    assert.equal(opened.kid, keys.publisher.kid);
    assert.equal(opened.contentKey.extractable, false);
  }
});

Deno.test("openSmallPart() stops at the first check that fails, and names it", async () => {
  const keys = await parties();
  const other = await parties();
  const arm = await sealed(PLAIN, keys, { seq: 5, arch: ["arm64"] });
  const cases: readonly [IntegrityStep, Parameters<typeof rules>[1]][] = [
    ["signature", { trust: other.trust }],
    ["signature", { trust: new Map() }],
    ["expiry", { nowSeconds: NOW_SECONDS + 3600 }],
    ["sequence", { seqFloor: 6 }],
    ["resource", { wanted: { folder: "other" } }],
    ["resource", { wanted: { name: "other" } }],
    ["resource", { wanted: { version: "1.0.1" } }],
    ["architecture", { architecture: "amd64" }],
    ["grant-device", { device: other.device }],
    ["grant-user", { user: "eve@example.com" }],
  ];
  for (const [step, changes] of cases) {
    await assert.rejects(openSmallPart(arm.small, rules(keys, changes)), { name: "IntegrityError", step }, step);
  }
  const all = Object.assign({}, ...cases.map(([, changes]) => changes));
  await assert.rejects(openSmallPart(arm.small, rules(keys, { ...all, trust: keys.trust })), { step: "expiry" });
  await openSmallPart(arm.small, rules(keys, { seqFloor: 5, user: undefined, architecture: undefined, wanted: {} }));
});

Deno.test("openSmallPart() refuses an expired grant, and one of another manifest", async () => {
  const keys = await parties();
  const first = await sealed(PLAIN, keys, { seq: 1 });
  const second = await sealed(PLAIN, keys, { seq: 2 });
  const payload = payloadOf(first.small.manifest);
  const early = await makeGrant(first.contentKey, keys.deviceJwk, {
    payload,
    user: "ada@example.com",
    exp: NOW_SECONDS,
  });
  await assert.rejects(openSmallPart({ ...first.small, grant: early }, rules(keys)), { step: "grant-expiry" });
  const reused = { manifest: second.small.manifest, grant: first.small.grant };
  await assert.rejects(openSmallPart(reused, rules(keys)), { step: "grant-open" });
  await assert.rejects(
    openSmallPart({ ...first.small, grant: { ...early, exp: first.small.grant.exp } }, rules(keys)),
    {
      step: "grant-open",
    },
  );
});

Deno.test("openSmallPart() refuses a content key that the manifest does not commit to", async () => {
  const keys = await parties();
  const { manifest } = await sealed(PLAIN, keys);
  const small = await smallPart(manifest, keystream("another", 16), keys, "ada@example.com");
  await assert.rejects(openSmallPart(small, rules(keys)), { step: "key-commitment" });
  const longer = await smallPart(manifest, keystream("another", 32), keys, "ada@example.com");
  await assert.rejects(openSmallPart(longer, rules(keys)), { step: "key-commitment" });
});

Deno.test("committedKey() overwrites the raw bytes, also of a wrong key", async () => {
  const { manifest, contentKey } = await sealed(PLAIN, await parties());
  const raw = contentKey.slice();
  await committedKey(raw, manifest);
  assert.deepEqual(raw, new Uint8Array(16));
  const wrong = keystream("wrong", 16);
  await assert.rejects(committedKey(wrong, manifest), { step: "key-commitment" });
  assert.deepEqual(wrong, new Uint8Array(16));
});

Deno.test("checkManifest() believes the trust store and nothing that the manifest brings along", async () => {
  const keys = await parties();
  const { manifest } = await sealed(PLAIN, keys);
  const evil = await generateJwk("Ed25519");
  const evilKey = await publisherKey(evil);
  const payload = serializeManifest(manifest);
  const sign = (header: Record<string, unknown>, key: CryptoKey = evilKey.privateKey) =>
    new CompactSign(payload).setProtectedHeader({
      alg: "Ed25519",
      kid: keys.publisher.kid,
      typ: "v2-manifest+jws",
      ...header,
    })
      .sign(key);
  const { publisher: { privateKey } } = keys;
  const cases: Record<string, [IntegrityStep, Promise<string> | string]> = {
    "another's signature under a trusted name": ["signature", sign({})],
    "the signer's own key in jwk": ["form", sign({ jwk: { kty: "OKP", crv: "Ed25519", x: evil.x } })],
    "an address in jku": ["form", sign({ jku: "https://evil.example/keys" }, privateKey)],
    "an address in x5u": ["form", sign({ x5u: "https://evil.example/cert" }, privateKey)],
    "another type": ["form", sign({ typ: "JWT" }, privateKey)],
    "no type": ["form", sign({ typ: undefined }, privateKey)],
    "an unknown key": ["signature", sign({ kid: evilKey.kid })],
    "no signature": ["form", `${toBase64Url(utf8('{"alg":"none"}'))}.${toBase64Url(payload)}.`],
    "alg none": [
      "form",
      `${header({ alg: "none", kid: keys.publisher.kid })}.${toBase64Url(payload)}.${"A".repeat(86)}`,
    ],
    "an HMAC under the public key": [
      "form",
      hmacWith(await publicBytes(keys.trust.get(keys.publisher.kid)), payload, keys.publisher.kid),
    ],
    "a changed payload": [
      "signature",
      (await sign({}, privateKey)).replace(/\.[^.]+\./, `.${toBase64Url(utf8("{}"))}.`),
    ],
    "a signed payload that is no manifest": ["form", signText("{}", keys.publisher)],
    "two payloads": ["form", (await sign({}, privateKey)).replace(".", "..")],
  };
  for (const [what, [step, jws]] of Object.entries(cases)) {
    await assert.rejects(checkManifest(await jws, rules(keys)), { name: "IntegrityError", step }, what);
  }
  await checkManifest(await sign({}, privateKey), rules(keys));
  await checkManifest(await sign({ alg: "EdDSA" }, privateKey), rules(keys));
});

Deno.test("verifyManifest() refuses manifests that contradict themselves, though a publisher has signed them", async () => {
  const keys = await parties();
  const { manifest } = await sealed(PLAIN, keys);
  const text = new TextDecoder().decode(serializeManifest(manifest));
  const changes: Record<string, [string | RegExp, string]> = {
    "a hash too few": [/"list":"[^"]+"/, '"list":""'],
    "another number of units": ['"n":1', '"n":2'],
    "a key that is not made of the digest": [/"key":"[0-9a-f]{2}/, '"key":"zz'],
    "a path as the key": [/"key":"/, '"key":"../'],
    "a header of another suite": ['"suite":"C20P-AGE"', '"suite":"A256GCM-HKDF-1M"'],
    "a suite that is no word": ['"suite":"C20P-AGE"', '"suite":""'],
    "a name that leaves its place": ['"name":"detector"', '"name":".."'],
    "a negative sequence": ['"seq":1', '"seq":-1'],
    "an expiry before its time": [/"exp":\d+/, '"exp":1'],
    "a field that we do not know": ['"v":2', '"v":2,"x":1'],
    "a prototype": ['"v":2', '"v":2,"__proto__":{}'],
    "version 3": ['"v":2', '"v":3'],
  };
  for (const [what, [from, to]] of Object.entries(changes)) {
    const changed = text.replace(from, to);
    assert.notEqual(changed, text, what);
    const jws = await signText(changed, keys.publisher);
    await assert.rejects(verifyManifest(jws, keys.trust), { name: "IntegrityError", step: "form" }, what);
  }
  const unknown = await signText(text.replace('"suite":"C20P-AGE"', '"suite":"ROT13"'), keys.publisher);
  await assert.rejects(verifyManifest(unknown, keys.trust), { name: "IntegrityError", step: "suite" });
  await assert.rejects(
    signManifest({ ...manifest, name: "../etc" }, keys.publisher),
    { step: "form" },
    "a writer makes none",
  );
});

Deno.test("openSmallPart() survives any one changed character of the manifest by refusing it", async () => {
  const keys = await parties();
  const { small } = await sealed(keystream("flip", 10), keys);
  const { manifest } = small;
  for (let index = 0; index < manifest.length; index += 7) {
    const character = manifest[index] === "A" ? "B" : "A";
    const changed = manifest.slice(0, index) + character + manifest.slice(index + 1);
    await assert.rejects(openSmallPart({ ...small, manifest: changed }, rules(keys)), { name: "IntegrityError" });
  }
});

function payloadOf(jws: SealedResource["small"]["manifest"]): Bytes {
  return Uint8Array.fromBase64(jws.split(".")[1] ?? "", { alphabet: "base64url" });
}

function header(fields: Record<string, unknown>): string {
  return toBase64Url(utf8(JSON.stringify(fields)));
}

async function signText(text: string, { kid, privateKey }: { kid: string; privateKey: CryptoKey }): Promise<string> {
  return await new CompactSign(utf8(text)).setProtectedHeader({ alg: "Ed25519", kid, typ: "v2-manifest+jws" })
    .sign(privateKey);
}

async function publicBytes(key: CryptoKey | undefined): Promise<Bytes> {
  assert.ok(key !== undefined);
  return Uint8Array.fromBase64((await exportJWK(key)).x ?? "", { alphabet: "base64url" });
}

async function hmacWith(secret: Bytes, payload: Bytes, kid: string): Promise<string> {
  return await new CompactSign(payload).setProtectedHeader({ alg: "HS256", kid, typ: "v2-manifest+jws" }).sign(secret);
}
