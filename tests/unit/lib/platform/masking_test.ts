import assert from "node:assert/strict";
import { Client } from "../../../../lib/platform/client.ts";
import { masked, maskMe } from "../../../../lib/platform/masking.ts";
import { SmallPlatform, TOKEN } from "../../../support/small_platform.ts";

Deno.test("masked() tells the length and nothing else", () => {
  assert.equal(masked("ada@example.com"), "***MASKED(15)***");
});

Deno.test("maskMe() hides the address and every secret, and leaves the rest", async () => {
  await using platform = new SmallPlatform();
  const me = await new Client({ settings: platform.settings(), tokenProvider: () => Promise.resolve(TOKEN) }).me();
  const text = JSON.stringify(maskMe(me));
  for (const secret of ["ada@", "hmac-secret-value", "logfire-token-value", "sentry-key"]) {
    assert.ok(JSON.stringify(me).includes(secret));
    assert.ok(!text.includes(secret), secret);
  }
  assert.equal(maskMe(me).organization.aignostics_bucket_hmac_secret_access_key, "***MASKED(17)***");
  assert.equal(maskMe(me).user.name, "Ada");
  assert.equal(maskMe(me).user.nickname, null);
});

Deno.test("maskMe() hides the address also where it stands for the name", async () => {
  await using platform = new SmallPlatform();
  const me = await new Client({ settings: platform.settings(), tokenProvider: () => Promise.resolve(TOKEN) }).me();
  const email = String(me.user.email);
  for (const name of [email, email.toUpperCase()]) {
    const { user } = maskMe({ ...me, user: { ...me.user, name } });
    assert.equal(user.name, masked(email));
    assert.ok(!JSON.stringify(user).toLowerCase().includes(email.toLowerCase()));
  }
});
