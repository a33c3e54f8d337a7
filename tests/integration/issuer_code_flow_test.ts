import assert from "node:assert/strict";
import { createLocalJWKSet, decodeJwt, jwtVerify } from "jose";
import {
  approve,
  AUDIENCE,
  authorizationRequest,
  CLIENT_ID,
  redeem,
  refresh,
  signInByBrowser,
} from "../support/oauth_client.ts";
import { OriginSite, PASSWORD } from "../support/origin_site.ts";
import { PlainBrowser } from "../support/plain_browser.ts";
import { shiftedClock } from "../support/shifted_clock.ts";

Deno.test("issuer: the reference client's sign-in gives a JWT of the platform, with every claim it reads", async () => {
  await using site = await OriginSite.start();
  const { access_token, refresh_token, scope, expires_in } = await signInByBrowser(site);
  assert.equal(scope, "offline_access");
  assert.equal(expires_in, 3600);
  assert.ok(refresh_token);
  const keys = createLocalJWKSet((await site.call("GET", "/.well-known/jwks.json")).json());
  const { payload, protectedHeader } = await jwtVerify(access_token, keys, {
    algorithms: ["RS256"],
    issuer: `${site.url}/`,
    audience: AUDIENCE,
  });
  assert.ok(protectedHeader.kid);
  assert.deepEqual(
    [payload.scope, payload.azp, payload[`${AUDIENCE}/role`], payload.aud],
    ["offline_access", CLIENT_ID, "admin", [AUDIENCE]],
  );
  assert.match(String(payload.org_id), /^org_/);
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 3600);
  const me = await site.call("GET", "/users/current", { token: access_token });
  assert.equal(me.json<{ id: string }>().id, payload.sub);
});

Deno.test("issuer: every loopback port is a place of the command line's client, and no other place is", async () => {
  await using site = await OriginSite.start();
  const places = ["http://localhost:51111/", "http://127.0.0.1:40000/", "http://[::1]:8989/"];
  for (const redirect_uri of places) {
    const request = authorizationRequest({ redirect_uri });
    const browser = new PlainBrowser(site.url);
    const { url } = await approve(browser, await browser.open(request.url), site.admin);
    assert.ok(url.href.startsWith(redirect_uri), url.href);
    assert.equal((await redeem(site, url, request, { redirect_uri })).status, 200);
  }
  const wrong = ["https://evil.example/", "http://evil.example:8989/", "http://localhost:8989/other", "javascript:1"];
  for (const redirect_uri of [...wrong, "http://localhost.evil.example:8989/"]) {
    const page = await new PlainBrowser(site.url).open(authorizationRequest({ redirect_uri }).url);
    assert.deepEqual([page.url.origin, page.status], [site.url, 400], redirect_uri);
    assert.doesNotMatch(page.html, /password/);
  }
});

Deno.test("issuer: a request without PKCE, by plain PKCE, from nobody or for another audience gets no code", async () => {
  await using site = await OriginSite.start();
  const cases: readonly [error: string, changes: Record<string, string | undefined>][] = [
    ["invalid_request", { code_challenge: undefined, code_challenge_method: undefined }],
    ["invalid_request", { code_challenge_method: "plain" }],
    ["invalid_target", { audience: "https://somebody-else.example" }],
    ["invalid_target", { resource: "https://somebody-else.example" }],
    ["unsupported_response_type", { response_type: "token" }],
    ["unsupported_response_type", { response_type: "id_token", nonce: "n", scope: "openid" }],
    ["login_required", { prompt: "none" }],
  ];
  for (const [error, changes] of cases) {
    const request = authorizationRequest(changes);
    const { url } = await new PlainBrowser(site.url).open(request.url);
    const told = new URLSearchParams(url.search || url.hash.slice(1));
    assert.deepEqual([url.origin, told.get("error"), told.get("state")], [
      "http://localhost:8989",
      error,
      request.state,
    ]);
    assert.equal(told.get("code"), null);
  }
  const nobody = await new PlainBrowser(site.url).open(authorizationRequest({ client_id: "nobody" }).url);
  assert.deepEqual([nobody.url.origin, nobody.status], [site.url, 400]);
});

Deno.test("issuer: a code is good once, for its client, verifier and place, and for a minute", async () => {
  const clock = shiftedClock();
  await using site = await OriginSite.start({ clock });
  const authorized = async () => {
    const request = authorizationRequest();
    const browser = new PlainBrowser(site.url);
    return { request, callback: (await approve(browser, await browser.open(request.url), site.admin)).url };
  };
  const other = authorizationRequest();
  const wrong: Record<string, string>[] = [
    { code_verifier: other.verifier },
    { code_verifier: "" },
    { redirect_uri: "http://localhost:8990/" },
    { client_id: "nobody" },
    { code: "x" },
  ];
  for (const changes of wrong) {
    const { request, callback } = await authorized();
    const answer = await redeem(site, callback, request, changes);
    assert.ok([400, 401].includes(answer.status), JSON.stringify(answer));
    assert.equal(answer.access_token, undefined);
  }
  const late = await authorized();
  clock.advance(61_000);
  assert.equal((await redeem(site, late.callback, late.request)).error, "invalid_grant");

  const twice = await authorized();
  const first = await redeem(site, twice.callback, twice.request);
  assert.equal(first.status, 200);
  assert.equal((await redeem(site, twice.callback, twice.request)).error, "invalid_grant");
  const afterReplay = await refresh(site, first.refresh_token);
  assert.equal(afterReplay.error, "invalid_grant", "a code that came twice ends what the first time gave");
  assert.equal((await site.call("GET", "/users/current", { token: first.access_token })).status, 401);
});

Deno.test("issuer: a code that is redeemed twice at the same time is good once", async () => {
  await using site = await OriginSite.start();
  const request = authorizationRequest();
  const browser = new PlainBrowser(site.url);
  const { url } = await approve(browser, await browser.open(request.url), site.admin);
  const answers = await Promise.all(Array.from({ length: 8 }, () => redeem(site, url, request)));
  assert.ok(answers.filter(({ status }) => status === 200).length <= 1, JSON.stringify(answers));
});

Deno.test("issuer: whoever cancels or gives a wrong password gets no code, and may try again", async () => {
  await using site = await OriginSite.start();
  const browser = new PlainBrowser(site.url);
  const request = authorizationRequest();
  const page = await browser.open(request.url);
  const refused = await browser.submit(page, { fields: { email: site.admin.email, password: 'wrong"><b>' } });
  assert.equal(refused.status, 422);
  assert.match(refused.html, /role="alert">The e-mail address or the password is wrong/);
  assert.doesNotMatch(refused.html, /<b>|wrong"/);
  const consent = await browser.submit(refused, { fields: { ...site.admin } });
  const { url } = await browser.submit(consent, { button: "Cancel" });
  assert.deepEqual([url.searchParams.get("error"), url.searchParams.get("code")], ["access_denied", null]);
  assert.equal(url.searchParams.get("state"), request.state);

  const again = await browser.open(authorizationRequest().url);
  assert.match(again.html, /Allow Tallystick/, "the browser is signed in, and consent is asked for every time");
  assert.ok((await browser.submit(again, { button: "Allow" })).url.searchParams.get("code"));
});

Deno.test("issuer: another account may take over the browser, and the organisation that was asked for decides", async () => {
  await using site = await OriginSite.start();
  const { email } = await site.user("Operator");
  const browser = new PlainBrowser(site.url);
  const consent = await browser.submit(await browser.open(authorizationRequest().url), { fields: { ...site.admin } });
  const signIn = await browser.submit(consent, { button: "Use another account" });
  const operator = await browser.submit(signIn, { fields: { email, password: PASSWORD } });
  assert.match(operator.html, /You are <strong>operator@example.com<\/strong> of Default/);
  const { url } = await browser.submit(operator, { button: "Allow" });
  assert.ok(url.searchParams.get("code"));

  const { org_id } = decodeJwt((await signInByBrowser(site, site.admin, { organization: "default" })).access_token);
  const page = await browser.open(authorizationRequest({ organization: "acme" }).url);
  assert.match(page.html, /name="password"/, "the signed-in account is not of that organisation");
  const refused = await browser.submit(page, { fields: { ...site.admin } });
  assert.match(refused.html, /does not belong to the organisation/);
  assert.equal((await browser.submit(refused, { button: "Cancel" })).url.searchParams.get("error"), "access_denied");
  const byId = await browser.open(authorizationRequest({ organization: String(org_id) }).url);
  assert.match(byId.html, /Allow Tallystick/);
});
