import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import { type Bytes, concat, utf8 } from "../../lib/bytes.ts";
import { deriveBytes, importContentKey } from "../../lib/crypto/content_key.ts";
import { resourceKeyString } from "../../lib/crypto/keys.ts";
import { openUnits, unitEnd } from "../../lib/crypto/open_units.ts";
import { SUITE_NAMES, SUITES } from "../../lib/crypto/suites.ts";
import { bigPart, hashList, openWhole } from "../../lib/split/big_part.ts";
import { associatedData, bigPartKey, type Manifest } from "../../lib/split/manifest.ts";
import { openSmallPart } from "../../lib/split/open_small_part.ts";
import { collect, streamOf } from "../../lib/streams.ts";
import { typescriptFiles } from "../support/architecture/source_files.ts";
import { gcmCollision } from "../support/gcm_collision.ts";
import { keystream } from "../support/keystream.ts";
import { parties, rules, sealed, type SealedResource, smallPart } from "../support/sealed_resource.ts";

// What docs/format_v2.md says that the format buys, tried by somebody who wants the content. Each attacker has what the test's name says.

const LIMIT = 16 * 1024 * 1024;
const LITERAL = /"((?:[^"\\\n]|\\.)+)"|`([^`$\\\n]+)`/g;

/** Every text constant of the code, and what could be made of it: as it is, cut or filled to size, and its digests. */
function candidateKeys(sizeBytes: number): Bytes[] {
  const texts = new Set(
    typescriptFiles(["lib", "cli", "origin", "routes"]).flatMap((path) =>
      [...Deno.readTextFileSync(path).matchAll(LITERAL)].map(([, quoted, template]) => quoted ?? template ?? "")
    ),
  );
  assert.ok(texts.size > 500, `only ${texts.size} constants were found`);
  return [...texts].flatMap((text) => {
    const raw = new Uint8Array(sizeBytes);
    raw.set(utf8(text).subarray(0, sizeBytes));
    return [
      raw,
      ...["sha256", "sha384"].map((name) => new Uint8Array(createHash(name).update(text).digest()).slice(0, sizeBytes)),
    ];
  });
}

/** Whether the first unit of a big part opens with a raw content key, by its tags alone. */
async function opensWith(raw: Bytes, { manifest, big }: SealedResource): Promise<boolean> {
  const { layout, unitCipher } = SUITES[manifest.suite];
  const cipher = await unitCipher(await importContentKey(raw.slice()), manifest.hdr, associatedData(manifest));
  const part = { layout, cipher, sizeBytes: big.byteLength };
  const unit = big.slice(0, unitEnd(part, 0));
  return await cipher.open(unit, { index: 0, isLast: manifest.seg.n === 1 }).then(() => true, () => false);
}

for (const suite of SUITE_NAMES) {
  Deno.test(`proof: the CDN's copy and every constant of the code give nothing of what was sealed with ${suite}`, async () => {
    const keys = await parties();
    const resource = await sealed(new Uint8Array(100_000), keys, { suite });
    assert.ok(deflateSync(resource.big).byteLength > 99_000, "what is all zeros inside looks random outside");
    for (const raw of candidateKeys(SUITES[suite].contentKeyBytes)) assert.equal(await opensWith(raw, resource), false);
    const v1 = new Uint8Array(createHash("sha256").update(await resourceKeyString()).digest());
    assert.equal(await opensWith(v1.slice(0, SUITES[suite].contentKeyBytes), resource), false, "the constant of v1");
    assert.equal(await opensWith(resource.contentKey, resource), true, "the trial itself works");
  });

  Deno.test(`proof: the key of one resource opens no other, nor another version, sealed with ${suite}`, async () => {
    const keys = await parties();
    const [mine, other, newer] = await Promise.all([
      sealed(keystream("mine", 50_000), keys, { suite }),
      sealed(keystream("other", 50_000), keys, { suite, name: "other" }),
      sealed(keystream("mine", 50_000), keys, { suite, version: "1.0.1" }),
    ]);
    assert.equal(await opensWith(mine.contentKey, other), false);
    assert.equal(await opensWith(mine.contentKey, newer), false);
    assert.notDeepEqual(mine.big, newer.big, "the same content is sealed anew");
  });

  Deno.test(`proof: one device's small part is nothing on another device, sealed with ${suite}`, async () => {
    const keys = await parties();
    const thief = await parties();
    const { small } = await sealed(keystream("mine", 1000), keys, { suite });
    const onOther = { ...rules(keys), device: thief.device };
    await assert.rejects(openSmallPart(small, onOther), { step: "grant-device" });
    const renamed = { ...small, grant: { ...small.grant, kid: thief.device.kid } };
    await assert.rejects(openSmallPart(renamed, onOther), { step: "grant-open" });
  });

  Deno.test(`proof: the manifest of one resource with the big part of another is refused before a byte leaves, sealed with ${suite}`, async () => {
    const keys = await parties();
    const mine = await sealed(keystream("mine", 2_000_000), keys, { suite });
    const other = await sealed(keystream("other", 2_000_000), keys, { suite, name: "other" });
    const opened = await openSmallPart(mine.small, rules(keys));
    const part = await bigPart(opened, await hashList(opened.manifest));
    const reader = openWhole(streamOf(other.big), part).getReader();
    await assert.rejects(reader.read(), { step: "unit-hash" });
  });
}

Deno.test("proof: a grant for one manifest opens no other, though device, user and time are the same", async () => {
  const keys = await parties();
  const mine = await sealed(keystream("mine", 1000), keys);
  const other = await sealed(keystream("other", 1000), keys, { name: "other" });
  const newer = await sealed(keystream("mine", 1000), keys, { seq: 2 });
  for (const { small } of [other, newer]) {
    const mixed = { manifest: small.manifest, grant: mine.small.grant };
    await assert.rejects(openSmallPart(mixed, rules(keys, { wanted: {} })), { step: "grant-open" });
  }
});

Deno.test("proof: one big part that two keys open to two contents is refused with the second, by the key commitment alone", async () => {
  const keys = await parties();
  const name = "A256GCM-HKDF-1M";
  const suite = SUITES[name];
  const [contentKey, secondKey] = [keystream("first", 32), keystream("second", 32)];
  const { manifest } = await sealed(new Uint8Array(0), keys, { suite: name, contentKey: contentKey.slice() });
  const header = manifest.hdr;
  const derived = await Promise.all(
    [contentKey, secondKey].map(async (raw) =>
      await deriveBytes(await importContentKey(raw.slice()), header.slice(1, 33), associatedData(manifest), 32)
    ),
  );
  const [first, second] = derived;
  assert.ok(first !== undefined && second !== undefined);
  const nonce = concat(header.slice(33), Uint8Array.of(0, 0, 0, 0, 1));
  const big = concat(header, gcmCollision(first, second, nonce, keystream("filling", 64)));

  const contents = await Promise.all([contentKey, secondKey].map(async (raw) => {
    const cipher = await suite.unitCipher(await importContentKey(raw.slice()), header, associatedData(manifest));
    return await collect(openUnits(streamOf(big), { layout: suite.layout, cipher, sizeBytes: big.byteLength }), LIMIT);
  }));
  assert.notDeepEqual(contents[0], contents[1], "AES-GCM opens it with both keys");

  const forged = await forgedManifest(manifest, big, contents[0] ?? big);
  const honest = await smallPart(forged, contentKey, keys, "ada@example.com");
  const opened = await openSmallPart(honest, rules(keys));
  const part = await bigPart(opened, await hashList(opened.manifest));
  assert.deepEqual(await collect(openWhole(streamOf(big), part), LIMIT), contents[0]);
  const equivocal = await smallPart(forged, secondKey, keys, "ada@example.com");
  await assert.rejects(openSmallPart(equivocal, rules(keys)), { step: "key-commitment" });
});

/** A publisher who signs what he has made by hand. */
async function forgedManifest(manifest: Manifest, big: Bytes, plain: Bytes): Promise<Manifest> {
  const digest = async (bytes: Bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const sha256 = await digest(big);
  return {
    ...manifest,
    big: { key: bigPartKey(sha256), size: big.byteLength, sha256 },
    seg: { n: 1, list: sha256 },
    plain: { size: plain.byteLength, sha256: await digest(plain) },
  };
}
