import assert from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { RateLimitedError } from "../../../lib/errors.ts";
import { PasswordHasher } from "../../../origin/passwords.ts";

Deno.test("PasswordHasher stores parameters, salt and scrypt's hash", async () => {
  const stored = await new PasswordHasher().hash("pässword");
  const [, name, parameters, salt = "", hash = ""] = stored.split("$");
  assert.equal(`${name} ${parameters}`, "scrypt ln=15,r=8,p=1");
  const options = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
  const expected = scryptSync("pässword", Uint8Array.fromBase64(salt), 32, options);
  assert.deepEqual(Uint8Array.fromBase64(hash), new Uint8Array(expected));
});

Deno.test("PasswordHasher matches the password and nothing else", async () => {
  const hasher = new PasswordHasher();
  const stored = await hasher.hash("secret word");
  assert.notEqual(await hasher.hash("secret word"), stored);
  assert.equal(await hasher.matches("secret word", stored), true);
  assert.equal(await hasher.matches("Secret word", stored), false);
  assert.equal(await hasher.matches("", stored), false);
  assert.equal(await hasher.matches("secret word", undefined), false);
});

Deno.test("PasswordHasher verifies hashes with other parameters", async () => {
  const salt = new Uint8Array(16).fill(1);
  const hash = scryptSync("old", salt, 32, { N: 2 ** 10, r: 8, p: 2 });
  const encoded = [salt, new Uint8Array(hash)].map((bytes) => bytes.toBase64({ omitPadding: true })).join("$");
  assert.equal(await new PasswordHasher().matches("old", `$scrypt$ln=10,r=8,p=2$${encoded}`), true);
});

Deno.test("PasswordHasher refuses more than 258 at a time, and goes on afterwards", async () => {
  const hasher = new PasswordHasher();
  const cheap = `$scrypt$ln=1,r=1,p=1$${"A".repeat(22)}$${"A".repeat(43)}`;
  const results = await Promise.allSettled(Array.from({ length: 300 }, () => hasher.matches("x", cheap)));
  const refused = results.filter((result) => result.status === "rejected");
  assert.equal(refused.length, 300 - 258);
  assert.ok(refused.every((result) => result.reason instanceof RateLimitedError));
  assert.equal(await hasher.matches("x", cheap), false);
});
