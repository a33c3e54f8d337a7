import assert from "node:assert/strict";
import { concat, utf8 } from "../../../../lib/bytes.ts";
import { ConfigurationError, ConflictError, IntegrityError } from "../../../../lib/errors.ts";
import { checkUpdate, digestOf, readHeader, verifySums } from "../../../../lib/updates/release.ts";
import { makePublisher, shippedFile } from "../../../support/signed_release.ts";

const NAME = "tally-device-aarch64";
const LIMITS = { name: NAME, floor: "1.10.0", allowDowngrade: false };

Deno.test("verifySums() takes the publisher's signature, and none with a flipped bit in sums or signature", async () => {
  const { publicKeyPem, sign } = await makePublisher();
  const { sums, signature } = await sign(NAME, shippedFile(NAME, "1.0.0"));
  await verifySums(sums, signature, publicKeyPem);
  for (let index = 0; index < 64; index++) {
    const flip = (bytes: Uint8Array) => bytes.map((byte, at) => at === index ? byte ^ 1 : byte);
    await assert.rejects(verifySums(new Uint8Array(flip(sums)), signature, publicKeyPem), IntegrityError);
    await assert.rejects(verifySums(sums, new Uint8Array(flip(signature)), publicKeyPem), IntegrityError);
  }
  await assert.rejects(verifySums(sums, signature.slice(1), publicKeyPem), IntegrityError);
  await assert.rejects(verifySums(sums, new Uint8Array(0), publicKeyPem), IntegrityError);
});

Deno.test("verifySums() refuses another publisher's key, and what is no key", async () => {
  const { publicKeyPem, sign } = await makePublisher();
  const { sums, signature } = await sign(NAME, shippedFile(NAME, "1.0.0"));
  await assert.rejects(verifySums(sums, signature, (await makePublisher()).publicKeyPem), IntegrityError);
  for (
    const pem of ["", "ssh-ed25519 AAAA", publicKeyPem.replace("MCow", "MCoz"), publicKeyPem.replace(/[A-Z]/g, "%")]
  ) {
    await assert.rejects(verifySums(sums, signature, pem), ConfigurationError);
  }
});

Deno.test("digestOf() wants the file exactly once", () => {
  const digest = "0".repeat(64);
  assert.equal(digestOf(utf8(`${"1".repeat(64)}  x\n${digest}  ${NAME}\n`), NAME), digest);
  for (const text of ["", `${digest}  ${NAME}.old\n`, `${digest.slice(1)}  ${NAME}\n`]) {
    assert.throws(() => digestOf(utf8(text), NAME), IntegrityError, text);
  }
  assert.throws(() => digestOf(utf8(`${digest}  ${NAME}\n`.repeat(2)), NAME), IntegrityError);
});

Deno.test("readHeader() reads the second line of a launcher, and nothing else", async () => {
  assert.deepEqual(readHeader(shippedFile(NAME, "1.2.3")), { name: NAME, version: "1.2.3" });
  const template = await Deno.readTextFile(new URL("../../../../tools/ship/launcher.sh", import.meta.url));
  const launcher = template.replaceAll("@NAME@", NAME).replaceAll("@VERSION@", "0.1.0");
  assert.deepEqual(readHeader(utf8(launcher)), { name: NAME, version: "0.1.0" });
  for (
    const bytes of [utf8(""), utf8("\x7fELF"), concat(utf8("\n"), shippedFile(NAME, "1.2.3")), shippedFile(NAME, "1.2")]
  ) {
    assert.equal(readHeader(bytes), undefined);
  }
});

Deno.test("checkUpdate() takes the same and later versions, older ones only when told", () => {
  for (const version of ["1.10.0", "1.10.1", "1.11.0", "2.0.0", "10.0.0"]) {
    assert.equal(checkUpdate({ name: NAME, version }, LIMITS).version, version);
  }
  for (const version of ["1.9.9", "1.2.0", "0.99.99"]) {
    assert.throws(() => checkUpdate({ name: NAME, version }, LIMITS), ConflictError, version);
    assert.equal(checkUpdate({ name: NAME, version }, { ...LIMITS, allowDowngrade: true }).version, version);
  }
});

Deno.test("checkUpdate() refuses other programs, other processors and files without a version", () => {
  for (const name of ["tally-origin-aarch64", "tally-device-x86_64"]) {
    assert.throws(() => checkUpdate({ name, version: "2.0.0" }, LIMITS), IntegrityError, name);
  }
  assert.throws(() => checkUpdate(undefined, { ...LIMITS, allowDowngrade: true }), IntegrityError);
});
