import assert from "node:assert/strict";
import { Decrypter, generateHybridIdentity, generateX25519Identity, identityToRecipient } from "age-encryption";
import { concat } from "../../../../lib/bytes.ts";
import { recoveryHeader } from "../../../../lib/crypto/age_header.ts";
import { keystream } from "../../../support/keystream.ts";
import { parties, sealed } from "../../../support/sealed_resource.ts";

Deno.test("a recovery header in front of a big part makes an age file for the recovery key alone", async () => {
  const identity = await generateX25519Identity();
  const plain = keystream("recovery", 200_000);
  const recovery = await identityToRecipient(identity);
  const { big, manifest: { rec } } = await sealed(plain, await parties(), { recovery });
  assert.ok(rec !== undefined && rec.byteLength <= 170, `${rec?.byteLength} bytes`);
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  assert.deepEqual(new Uint8Array(await decrypter.decrypt(concat(rec, big))), plain);
  const other = new Decrypter();
  other.addIdentity(await generateX25519Identity());
  await assert.rejects(other.decrypt(concat(rec, big)), /no identity matched/);
});

Deno.test("recoveryHeader() takes recipients on X25519 only, and shows none of its file key in the header", async () => {
  const { header, fileKey } = await recoveryHeader(await identityToRecipient(await generateX25519Identity()));
  assert.equal(fileKey.byteLength, 16);
  assert.ok(!header.toHex().includes(fileKey.toHex()));
  const hybrid = await identityToRecipient(await generateHybridIdentity());
  for (const recipient of ["", "age1", `age1${"q".repeat(58)}`, hybrid, await generateX25519Identity()]) {
    await assert.rejects(recoveryHeader(recipient), { name: "InvalidInputError", field: "recovery" }, recipient);
  }
});
