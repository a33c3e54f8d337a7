import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { authorizationRequest, CLIENT_ID, postForm, REDIRECT_URI } from "../support/oauth_client.ts";
import { OriginSite } from "../support/origin_site.ts";
import { PlainBrowser, type SeenPage } from "../support/plain_browser.ts";
import { tally } from "../support/tally.ts";

/** What no page may have, whoever wrote what it shows. */
function assertHarmless(page: SeenPage, what: string): void {
  assert.match(page.headers.get("content-type") ?? "", /^text\/html; charset=utf-8$/i, what);
  assert.match(page.html, /^<!DOCTYPE html>\s*<html lang="en">/, what);
  assert.match(page.html, /<title>[^<]+<\/title>/, what);
  assert.doesNotMatch(page.html, /<script|javascript:|\son[a-z]+=|<iframe|<img|<link|<b>|style="/i, what);
  const policy = page.headers.get("content-security-policy") ?? "";
  assert.match(policy, /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'[^;]*; base-uri 'none'/, what);
  assert.match(policy, /frame-ancestors 'none'/, what);
  const style = /<style>(.*)<\/style>/s.exec(page.html)?.[1] ?? "";
  assert.ok(
    policy.includes(createHash("sha256").update(style).digest("base64")),
    `${what}: the policy allows its style`,
  );
  assert.equal(page.headers.get("cache-control"), "no-store", what);
  assert.ok(page.headers.get("x-frame-options"), what);
  const labels = [...page.html.matchAll(/<label for="([^"]+)">/g)].map(([, id]) => id);
  const inputs = [...page.html.matchAll(/<input id="([^"]+)"/g)].map(([, id]) => id);
  assert.deepEqual(labels, inputs, `${what}: every field has a label`);
}

Deno.test("issuer: no page needs a script or allows one, and hostile words stay words", async () => {
  await using site = await OriginSite.start();
  const hostile = `"><b>x</b><script>alert(1)</script>'`;
  const client = ["hostile", "--name", hostile, "--redirect-uri", REDIRECT_URI, "--data-dir", site.dataDir];
  assert.equal((await tally(["origin", "client", "add", ...client])).exitCode, 0);
  const changes = { client_id: "hostile", login_hint: hostile };
  const browser = new PlainBrowser(site.url);
  const pages: Record<string, SeenPage> = {};
  const signIn = pages["sign-in"] = await browser.open(authorizationRequest(changes).url);
  pages["wrong password"] = await browser.submit(signIn, { fields: { email: hostile, password: hostile } });
  const consent = pages.consent = await browser.submit(signIn, { fields: { ...site.admin } });
  assert.match(consent.headers.get("content-security-policy") ?? "", /form-action 'self' http:\/\/localhost:8989;/);
  pages["no redirect"] = await browser.open(authorizationRequest({ redirect_uri: hostile }).url);
  pages["no client"] = await browser.open(authorizationRequest({ client_id: hostile }).url);
  pages["stale"] = await browser.open("/oauth/interaction/nobody");
  pages["not resumed"] = await browser.open("/authorize/nobody");

  const { user_code } = await postForm(site, "/oauth/device/code", { client_id: "hostile", scope: "offline_access" });
  const complete = (code: string) => `/device?${new URLSearchParams({ user_code: code })}`;
  pages["empty code"] = await browser.open("/device");
  pages["hostile code"] = await browser.open(complete(hostile));
  pages["wrong code"] = await browser.submit(pages["hostile code"]);
  const code = pages.code = await browser.open(complete(String(user_code)));
  const confirmation = pages.confirmation = await browser.submit(code);
  const deviceConsent = pages["device consent"] = await browser.submit(confirmation);
  pages.connected = await browser.submit(deviceConsent, { button: "Allow" });
  pages["used code"] = await browser.submit(await browser.open(complete(String(user_code))));
  for (const [what, page] of Object.entries(pages)) assertHarmless(page, what);
  assert.match(pages.connected.html, /is signed in/);
});

Deno.test("issuer: a form from another site, another browser or nowhere does nothing", async () => {
  await using site = await OriginSite.start();
  const browser = new PlainBrowser(site.url);
  const signIn = await browser.open(authorizationRequest().url);
  const others: Record<string, string>[] = [
    { "sec-fetch-site": "cross-site", origin: "https://evil.example" },
    { "sec-fetch-site": "same-site", origin: "http://127.0.0.1:1" },
    { origin: "https://evil.example" },
  ];
  for (const headers of others) {
    const refused = await browser.submit(signIn, { fields: { ...site.admin }, headers });
    assert.equal(refused.status, 403, JSON.stringify(headers));
  }
  const stranger = await new PlainBrowser(site.url).submit(signIn, { fields: { ...site.admin } });
  assert.deepEqual([stranger.status, stranger.url.origin], [400, site.url]);
  assert.match(stranger.html, /begun in another browser/);

  const consent = await browser.submit(signIn, { fields: { ...site.admin } });
  const forced = await new PlainBrowser(site.url).submit(consent, { button: "Allow" });
  assert.equal(forced.status, 400);

  const { user_code } = await postForm(site, "/oauth/device/code", { client_id: CLIENT_ID, scope: "offline_access" });
  const body = new URLSearchParams({ user_code: String(user_code), confirm: "yes", xsrf: "x" });
  const direct = await fetch(`${site.url}/device`, { method: "POST", body, redirect: "manual" });
  assert.equal(direct.status, 400);
  assert.doesNotMatch(await direct.text(), /Allow|is signed in/);
});

Deno.test("issuer: sign-ins by page and by the Resource API share one limit, which says when to come back", async () => {
  await using site = await OriginSite.start();
  const browser = new PlainBrowser(site.url);
  const page = await browser.open(authorizationRequest().url);
  const { email } = site.admin;
  for (let count = 0; count < 5; count++) {
    await site.call("POST", "/login", { json: { email, password: "wrong" } });
    assert.equal((await browser.submit(page, { fields: { email, password: "wrong" } })).status, 422);
  }
  const refused = await browser.submit(page, { fields: { ...site.admin } });
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  assert.match(refused.html, /role="alert">Too many sign-ins/);
  assert.equal((await site.call("POST", "/login", { json: { ...site.admin } })).status, 429);
});

Deno.test("issuer: requests of any form are answered, and none with an error of ours", async () => {
  await using site = await OriginSite.start();
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const calls: readonly [method: string, path: string, body?: string, headers?: Record<string, string>][] = [
    ["POST", "/oauth/token"],
    ["POST", "/oauth/token", "grant_type=password&username=a&password=b", form],
    ["POST", "/oauth/token", '{"grant_type":"refresh_token"}', { "content-type": "application/json" }],
    ["POST", "/oauth/token", "grant_type=refresh_token&grant_type=authorization_code", form],
    ["POST", "/oauth/token", `grant_type=${"x".repeat(30_000)}`, form],
    ["POST", "/oauth/token", "x".repeat(40_000), form],
    ["POST", "/oauth/token", "%ff%fe=%00&client_id=tallystick-cli", form],
    ["POST", "/oauth/device/code", "client_id=nobody&scope=offline_access", form],
    ["POST", "/oauth/device/code", `client_id=${CLIENT_ID}&audience=https://other.example`, form],
    ["POST", "/oauth/device/code", `client_id=${CLIENT_ID}&scope=a&audience=a&audience=b`, form],
    ["POST", "/oauth/revoke", "token=x", form],
    ["POST", "/device", "user_code=x", form],
    ["POST", "/oauth/interaction/x", "action=allow", form],
    ["GET", "/authorize"],
    ["GET", authorizationRequest({ response_mode: "form_post" }).url],
    ["GET", "/authorize?scope=offline_access&scope=openid&prompt=a&prompt=b"],
    ["GET", "/authorize/%00"],
    ["GET", "/device/x"],
    ["GET", "/oauth/token"],
    ["OPTIONS", "/oauth/token"],
    ["GET", "/.well-known/openid-configuration"],
  ];
  for (const [method, path, body, headers] of calls) {
    const reply = await site.call(method, path, {
      ...(body === undefined ? {} : { body }),
      headers: { ...headers, origin: site.url, "x-forwarded-host": "evil.example", "x-forwarded-proto": "https" },
    });
    assert.ok(reply.status < 500, `${method} ${path} ${body?.slice(0, 50)}: ${reply.status} ${reply.text}`);
    assert.doesNotMatch(reply.text, /<script|evil\.example|\.ts:|\.js:|node_modules|sqlite/i, `${method} ${path}`);
    const allowed = [...reply.headers.keys()].filter((name) => name.startsWith("access-control-"));
    assert.deepEqual(allowed, [], `${method} ${path}`);
  }
});

Deno.test("issuer: its metadata name every endpoint below the public address", async () => {
  await using site = await OriginSite.start();
  const metadata = (await site.call("GET", "/.well-known/openid-configuration")).json<Record<string, unknown>>();
  assert.deepEqual(
    Object.fromEntries(Object.entries(metadata).filter(([name]) => /endpoint$|^issuer$|^jwks_uri$/.test(name))),
    {
      issuer: `${site.url}/`,
      authorization_endpoint: `${site.url}/authorize`,
      token_endpoint: `${site.url}/oauth/token`,
      device_authorization_endpoint: `${site.url}/oauth/device/code`,
      revocation_endpoint: `${site.url}/oauth/revoke`,
      jwks_uri: `${site.url}/.well-known/jwks.json`,
    },
  );
  assert.deepEqual(metadata.code_challenge_methods_supported, ["S256"]);
  assert.deepEqual(metadata.token_endpoint_auth_methods_supported, ["none"]);
  assert.deepEqual(metadata.response_types_supported, ["code"]);
});

Deno.test("issuer: behind a proxy its addresses and cookies are those of the public URL", async () => {
  await using site = await OriginSite.start({ publicUrl: new URL("https://origin.example.com") });
  const metadata = (await site.call("GET", "/.well-known/openid-configuration")).json<Record<string, string>>();
  assert.equal(metadata.issuer, "https://origin.example.com/");
  assert.equal(metadata.token_endpoint, "https://origin.example.com/oauth/token");
  const { headers } = await site.call("GET", authorizationRequest().url);
  assert.ok(headers.getSetCookie().length > 0);
  for (const cookie of headers.getSetCookie()) assert.match(cookie, /; secure(;|$)/i);
});
