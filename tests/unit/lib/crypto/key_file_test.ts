import assert from "node:assert/strict";
import { join } from "node:path";
import { calculateJwkThumbprint } from "jose";
import {
  publicKeyPath,
  readPrivateKey,
  readPublicKey,
  rotateKeyPair,
  writeKeyPair,
} from "../../../../lib/crypto/key_file.ts";
import { generateJwk, publicHalf } from "../../../../lib/crypto/okp_key.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

Deno.test("writeKeyPair() writes what is read back, the private half for its owner only", async () => {
  await using folder = await tempFolder();
  for (const curve of ["X25519", "Ed25519"] as const) {
    const path = join(folder.path, curve);
    const jwk = await generateJwk(curve);
    await writeKeyPair(path, jwk);
    assert.deepEqual(await readPrivateKey(path, curve), jwk);
    assert.deepEqual(await readPublicKey(publicKeyPath(path)), publicHalf(jwk));
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    const { kid } = JSON.parse(await Deno.readTextFile(publicKeyPath(path)));
    assert.equal(kid, await calculateJwkThumbprint({ kty: "OKP", crv: curve, x: jwk.x }));
    await assert.rejects(writeKeyPair(path, await generateJwk(curve)), { name: "UsageError" });
    assert.deepEqual(await readPrivateKey(path, curve), jwk, "nothing was written over");
  }
});

Deno.test("readPrivateKey() and readPublicKey() refuse other files without a word of what is in them", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "key");
  const jwk = await generateJwk("X25519");
  const refuse = async (text: string, mode = 0o600) => {
    await Deno.writeTextFile(path, text);
    await Deno.chmod(path, mode);
    for (const read of [readPrivateKey, readPublicKey]) {
      await assert.rejects(
        read(path, "Ed25519"),
        (error) => error instanceof Error && error.name === "ConfigurationError" && !error.message.includes(jwk.d),
      );
    }
  };
  await refuse("");
  await refuse(jwk.d);
  await refuse(JSON.stringify(jwk));
  await refuse(JSON.stringify({ ...jwk, crv: "Ed25519", extra: 1 }));
  await refuse(JSON.stringify({ ...jwk, crv: "Ed25519", d: jwk.d.slice(1) }));
  await refuse(JSON.stringify({ ...jwk, crv: "Ed25519" }), 0o640);
  await Deno.remove(path);
  await assert.rejects(readPrivateKey(path, "X25519"), { name: "ConfigurationError" });
});

Deno.test("rotateKeyPair() keeps the old key beside the new one", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "release.key");
  const [old, fresh] = [await generateJwk("Ed25519"), await generateJwk("Ed25519")];
  await writeKeyPair(path, old);
  const oldPath = await rotateKeyPair(path, fresh);
  assert.deepEqual(await readPrivateKey(path, "Ed25519"), fresh);
  assert.deepEqual(await readPublicKey(publicKeyPath(path)), publicHalf(fresh));
  assert.deepEqual(await readPrivateKey(oldPath, "Ed25519"), old);
  assert.deepEqual(await readPublicKey(publicKeyPath(oldPath)), publicHalf(old));
  assert.equal([...Deno.readDirSync(folder.path)].length, 4);
});

Deno.test("writeKeyPair() at the same time as others makes one key, and says to the others that it exists", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "release.key");
  const keys = await Promise.all(Array.from({ length: 8 }, () => generateJwk("Ed25519")));
  const ends = await Promise.allSettled(keys.map((key) => writeKeyPair(path, key)));
  const made = keys.filter((_key, index) => ends[index]?.status === "fulfilled");
  assert.equal(made.length, 1);
  for (const end of ends) {
    if (end.status === "rejected") assert.equal(end.reason.message, `Cannot write a key to "${path}": it exists`);
  }
  assert.deepEqual([await readPrivateKey(path, "Ed25519")], made);
  assert.deepEqual([await readPublicKey(publicKeyPath(path))], made.map(publicHalf));
  assert.equal([...Deno.readDirSync(folder.path)].length, 2);
});

Deno.test("writeKeyPair() leaves no private half where a public one is in the way", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "release.key");
  await Deno.writeTextFile(publicKeyPath(path), "another's");
  await assert.rejects(writeKeyPair(path, await generateJwk("Ed25519")), { name: "UsageError" });
  assert.equal(await Deno.readTextFile(publicKeyPath(path)), "another's");
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["release.key.pub"]);
});

Deno.test("readPrivateKey() follows a link as Kubernetes makes it, and rotateKeyPair() does not", async () => {
  await using folder = await tempFolder();
  const jwk = await generateJwk("Ed25519");
  await Deno.mkdir(join(folder.path, "..2026_11_30"));
  await writeKeyPair(join(folder.path, "..2026_11_30", "release.key"), jwk);
  await Deno.symlink("..2026_11_30", join(folder.path, "..data"));
  for (const name of ["release.key", "release.key.pub"]) {
    await Deno.symlink(join("..data", name), join(folder.path, name));
  }
  const path = join(folder.path, "release.key");
  assert.deepEqual(await readPrivateKey(path, "Ed25519"), jwk);
  assert.deepEqual(await readPublicKey(publicKeyPath(path)), publicHalf(jwk));
  await assert.rejects(rotateKeyPair(path, await generateJwk("Ed25519")), {
    name: "UsageError",
    message: /it is a link$/,
  });
  await Deno.chmod(path, 0o440);
  await assert.rejects(readPrivateKey(path, "Ed25519"), { message: /can be read by others/ });
});
