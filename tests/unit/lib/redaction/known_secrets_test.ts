import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../../lib/bytes.ts";
import { Secret } from "../../../../lib/config/secret.ts";
import { KNOWN_SECRETS, KnownSecrets } from "../../../../lib/redaction/known_secrets.ts";

const PASSWORD = 'p"ss w/rd+ä=%';

/** A secret as it may be written, by the way of writing. */
function waysToWrite(secret: string): Record<string, string> {
  const bytes = utf8(secret);
  return {
    plain: secret,
    "in JSON": JSON.stringify({ secret }),
    "in JSON in JSON": JSON.stringify(JSON.stringify({ secret })),
    "in a URL": `https://a.example/?p=${encodeURIComponent(secret)}`,
    "in a URL, lower case": encodeURIComponent(secret).replaceAll(/%../g, (code) => code.toLowerCase()),
    "in a form": new URLSearchParams({ secret }).toString(),
    "in base64": bytes.toBase64(),
    "in base64url": bytes.toBase64({ alphabet: "base64url", omitPadding: true }),
    "in Basic": `Basic ${btoa(String.fromCharCode(...utf8(`ada@example.com:${secret}`)))}`,
    "in hex": bytes.toHex(),
  };
}

Deno.test("KnownSecrets.mask() finds a secret however it is written, and nothing when it is forgotten", () => {
  const secrets = new KnownSecrets();
  const held = secrets.hold(PASSWORD);
  for (const [way, text] of Object.entries(waysToWrite(PASSWORD))) {
    assert.ok(secrets.mask(`before ${text} after`).includes("***"), way);
    assert.match(secrets.mask(`before ${text} after`), /^before .* after$/, way);
    assert.ok(!secrets.mask(text).includes(text.slice(-14)), `${way}: ${secrets.mask(text)}`);
  }
  held[Symbol.dispose]();
  assert.equal(secrets.size, 0);
  for (const text of Object.values(waysToWrite(PASSWORD))) assert.equal(secrets.mask(text), text);
});

Deno.test("KnownSecrets.mask() finds any secret in any text, in base64 at every place", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 40 });
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 8, maxLength: 40 }), text, text, (secret, before, after) => {
      const secrets = new KnownSecrets();
      secrets.hold(secret);
      assert.ok(!secrets.mask(before + secret + after).includes(secret) || secret.includes("***"));
      const encoded = utf8(before + secret + after).toBase64();
      assert.notEqual(secrets.mask(encoded), encoded);
    }),
    { numRuns: 500 },
  );
});

Deno.test("KnownSecrets.mask() leaves a text without secrets as it is, and masks the longer of two", () => {
  const secrets = new KnownSecrets();
  secrets.hold("correct horse");
  secrets.hold("correct horse battery staple");
  assert.equal(secrets.mask("correct hors"), "correct hors");
  assert.equal(secrets.mask("a correct horse battery staple, a correct horse"), "a ***, a ***");
  assert.equal(secrets.mask(""), "");
});

Deno.test("KnownSecrets does not look for what is shorter than six bytes", () => {
  const secrets = new KnownSecrets();
  secrets.hold("info");
  assert.equal(secrets.mask('{"level":"info"}'), '{"level":"info"}');
});

Deno.test("KnownSecrets forgets a value with its last holder", () => {
  const secrets = new KnownSecrets();
  const [one, other] = [secrets.hold("hunter22"), secrets.hold("hunter22")];
  one[Symbol.dispose]();
  one[Symbol.dispose]();
  assert.equal(secrets.mask("hunter22"), "***");
  other[Symbol.dispose]();
  assert.equal(secrets.mask("hunter22"), "hunter22");
});

Deno.test("KnownSecrets holds no more than its limit: the oldest goes", () => {
  const secrets = new KnownSecrets();
  for (let count = 0; count < 5000; count++) secrets.hold(`secret-number-${count}`);
  assert.equal(secrets.size, 4096);
  assert.equal(secrets.mask("secret-number-4999"), "***");
});

Deno.test("Secret is looked for as long as it is in memory", () => {
  const secret = new Secret("a-very-own-secret-51");
  assert.equal(KNOWN_SECRETS.mask("a-very-own-secret-51"), "***");
  assert.equal(secret.reveal(), "a-very-own-secret-51");
});
