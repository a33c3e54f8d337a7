import assert from "node:assert/strict";
import { decodeJwt } from "jose";
import { approve, AUDIENCE, CLIENT_ID, postForm } from "../support/oauth_client.ts";
import { OriginSite } from "../support/origin_site.ts";
import { PlainBrowser } from "../support/plain_browser.ts";
import { shiftedClock } from "../support/shifted_clock.ts";

interface DeviceAnswer {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri_complete: string;
  readonly interval: number;
  readonly expires_in: number;
}

async function startDevice(site: OriginSite, scopes: readonly string[] = ["offline_access"]): Promise<DeviceAnswer> {
  const scope = scopes.map((name) => ["scope", name] as const);
  const answer = await postForm(site, "/oauth/device/code", [
    ["client_id", CLIENT_ID],
    ...scope,
    ["audience", AUDIENCE],
  ]);
  assert.equal(answer.status, 200, JSON.stringify(answer));
  const { device_code, user_code, verification_uri_complete } = answer;
  return {
    device_code: String(device_code),
    user_code: String(user_code),
    verification_uri_complete: String(verification_uri_complete),
    interval: Number(answer.interval),
    expires_in: Number(answer.expires_in),
  };
}

function poll(site: OriginSite, { device_code }: DeviceAnswer, client_id = CLIENT_ID) {
  return postForm(site, "/oauth/token", {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code,
    client_id,
  });
}

Deno.test("issuer: a device is signed in by another browser, in the form of the reference client", async () => {
  await using site = await OriginSite.start();
  const device = await startDevice(site);
  assert.deepEqual([device.interval, device.expires_in], [5, 600]);
  assert.ok(device.verification_uri_complete.startsWith(site.url), device.verification_uri_complete);
  assert.equal((await poll(site, device)).error, "authorization_pending");
  assert.equal((await poll(site, device)).error, "slow_down");

  const browser = new PlainBrowser(site.url);
  const code = await browser.open(device.verification_uri_complete);
  assert.match(code.html, new RegExp(`value="${device.user_code}"`));
  const confirmation = await browser.submit(code);
  assert.match(confirmation.html, new RegExp(`<code>${device.user_code}</code>`));
  const done = await approve(browser, await browser.submit(confirmation), site.admin);
  assert.match(done.html, /<strong>Tallystick<\/strong> is signed in/);

  const answer = await poll(site, device);
  assert.equal(answer.status, 200, JSON.stringify(answer));
  assert.equal(answer.scope, "offline_access");
  assert.ok(answer.refresh_token);
  assert.deepEqual(decodeJwt(answer.access_token).aud, [AUDIENCE]);
  assert.equal((await poll(site, device)).error, "invalid_grant", "a device code is good once");
});

Deno.test("issuer: a restart in the middle of a device's sign-in changes nothing", async () => {
  await using site = await OriginSite.start();
  const port = Number(new URL(site.url).port);
  const device = await startDevice(site);
  const browser = new PlainBrowser(site.url);
  const again = async () => {
    await site.stop();
    await site.serve({ port });
  };
  await again();
  const code = await browser.open("/device");
  await again();
  const confirmation = await browser.submit(code, { fields: { user_code: device.user_code.toLowerCase() } });
  await again();
  const signIn = await browser.submit(confirmation);
  await again();
  const consent = await browser.submit(signIn, { fields: { ...site.admin } });
  await again();
  await browser.submit(consent, { button: "Allow" });
  await again();
  assert.equal((await poll(site, device)).status, 200);
});

Deno.test("issuer: several scopes of a device request may come as several parameters", async () => {
  await using site = await OriginSite.start();
  const device = await startDevice(site, ["offline_access", "openid", "email"]);
  const browser = new PlainBrowser(site.url);
  const confirmation = await browser.submit(await browser.open(device.verification_uri_complete));
  await approve(browser, await browser.submit(confirmation), site.admin);
  const { scope = "", id_token } = await poll(site, device);
  assert.deepEqual(new Set(scope.split(" ")), new Set(["offline_access", "openid", "email"]));
  assert.equal(decodeJwt(String(id_token)).email, site.admin.email);
});

Deno.test("issuer: a device whose code was refused, has expired or is another client's gets nothing", async () => {
  const clock = shiftedClock();
  await using site = await OriginSite.start({ clock });
  const refused = await startDevice(site);
  const browser = new PlainBrowser(site.url);
  const confirmation = await browser.submit(await browser.open(refused.verification_uri_complete));
  const cancelled = await browser.submit(confirmation, { button: "Cancel" });
  assert.match(cancelled.html, /was not signed in/);
  assert.equal((await poll(site, refused)).error, "access_denied");

  const other = await startDevice(site);
  assert.ok(["invalid_client", "invalid_grant"].includes((await poll(site, other, "nobody")).error ?? ""));
  clock.advance(601_000);
  assert.equal((await poll(site, other)).error, "expired_token");
  const late = await browser.submit(await browser.open(other.verification_uri_complete));
  assert.match(late.html, /role="alert">This code has expired/);
  const unknown = await browser.submit(await browser.open("/device"), { fields: { user_code: "BBBB-BBBB" } });
  assert.match(unknown.html, /role="alert">There is no such code/);
});

Deno.test("issuer: codes cannot be guessed fast, in however many browsers; the right one is refused as well, and good later", async () => {
  const clock = shiftedClock();
  await using site = await OriginSite.start({ clock });
  const device = await startDevice(site);
  for (let guess = 0; guess < 100; guess++) {
    const browser = new PlainBrowser(site.url);
    const wrong = await browser.submit(await browser.open("/device"), { fields: { user_code: "BBBB-BBBB" } });
    assert.equal(wrong.status, 422);
  }
  const browser = new PlainBrowser(site.url);
  const refused = await browser.submit(await browser.open(device.verification_uri_complete));
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "60"]);
  assert.match(refused.html, /role="alert">Too many/);
  assert.doesNotMatch(refused.html, /<code>/);
  clock.advance(61_000);
  const confirmation = await browser.submit(await browser.open(device.verification_uri_complete));
  assert.match(confirmation.html, /<code>/);
});
