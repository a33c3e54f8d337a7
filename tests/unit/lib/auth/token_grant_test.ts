import assert from "node:assert/strict";
import { findIssuer, type Issuer } from "../../../../lib/auth/issuer.ts";
import { refreshGrant, revokeGrant } from "../../../../lib/auth/token_grant.ts";
import { Secret } from "../../../../lib/config/secret.ts";
import { ConfigurationError, NotSignedInError, UnavailableError, UpstreamError } from "../../../../lib/errors.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import { testClock } from "../../../support/test_clock.ts";
import { settingsFrom, TestIssuer } from "../../../support/test_issuer.ts";

const http = httpClient("issuer");
const { signal } = new AbortController();

async function clientOf(issuer: TestIssuer, onSleep: () => void = () => {}) {
  const { AIGNOSTICS_AUTH_RETRY_WAIT_MIN: _fast, ...variables } = issuer.variables("unused");
  const settings = settingsFrom(variables);
  const clock = testClock(onSleep);
  const deps = { http, clock, retry: settings.retries.auth, timeoutMs: 5_000 };
  return { clock, deps, found: await findIssuer(settings, { http, signal }) };
}

/** An issuer whose token endpoint answers as a test wants. */
function answering(answer: () => Response) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
  const at = `http://127.0.0.1:${server.addr.port}/`;
  const endpoints = { issuer: at, token_endpoint: at, revocation_endpoint: at };
  return { endpoints, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("refreshGrant() gives new tokens, and the old refresh token where no new one came", async () => {
  await using issuer = await TestIssuer.start();
  const { deps, found } = await clientOf(issuer);
  const refreshToken = new Secret(issuer.refreshToken());
  const grant = await refreshGrant(found, { refreshToken, clientId: "test-client" }, deps, signal);
  assert.ok(issuer.isKnown(grant.refreshToken?.reveal() ?? ""));
  assert.deepEqual(issuer.forms[0], {
    grant_type: "refresh_token",
    refresh_token: refreshToken.reveal(),
    client_id: "test-client",
  });
  await using plain = answering(() => Response.json({ access_token: "new", token_type: "Bearer" }));
  const kept: Issuer = { ...found, server: plain.endpoints };
  const second = await refreshGrant(kept, { refreshToken, clientId: "test-client" }, deps, signal);
  assert.equal(second.refreshToken?.reveal(), refreshToken.reveal());
});

Deno.test("refreshGrant() is tried four times, with random pauses of up to 3, 6 and 12 seconds", async () => {
  await using issuer = await TestIssuer.start();
  const { clock, deps, found } = await clientOf(issuer);
  issuer.isAway = true;
  const refreshToken = new Secret(issuer.refreshToken());
  await assert.rejects(refreshGrant(found, { refreshToken, clientId: "c" }, deps, signal), UnavailableError);
  assert.equal(issuer.count("POST /token refresh_token"), 4);
  assert.equal(clock.sleeps.length, 3);
  clock.sleeps.forEach((pauseMs, index) => assert.ok(pauseMs <= 3_000 * 2 ** index, `${clock.sleeps}`));
});

Deno.test("refreshGrant() goes on when the issuer is back", async () => {
  await using issuer = await TestIssuer.start();
  const { deps, found } = await clientOf(issuer, () => issuer.isAway = false);
  issuer.isAway = true;
  const refreshToken = new Secret(issuer.refreshToken());
  assert.ok(await refreshGrant(found, { refreshToken, clientId: "test-client" }, deps, signal));
});

Deno.test("refreshGrant() is not repeated when the issuer refuses, and tells why without a token", async () => {
  const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
  const refusals: [status: number, body: unknown, expected: typeof NotSignedInError | typeof ConfigurationError][] = [
    [400, { error: "invalid_grant", error_description: `token ${token} is old` }, NotSignedInError],
    [403, { error: "access_denied" }, NotSignedInError],
    [401, { error: "invalid_client" }, ConfigurationError],
    [400, { error: "invalid_scope" }, ConfigurationError],
  ];
  await using issuer = await TestIssuer.start();
  const { clock, deps, found } = await clientOf(issuer);
  for (const [status, body, expected] of refusals) {
    await using refusing = answering(() => Response.json(body, { status }));
    const call = refreshGrant(
      { ...found, server: refusing.endpoints },
      { refreshToken: new Secret("old"), clientId: "c" },
      deps,
      signal,
    );
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof expected, String(error));
      assert.doesNotMatch(error.message, /eyJ|c2ln/);
      return true;
    });
  }
  assert.deepEqual(clock.sleeps, []);
});

Deno.test("refreshGrant() refuses answers that are none of OAuth", async () => {
  await using issuer = await TestIssuer.start();
  const { deps, found } = await clientOf(issuer);
  const answers = [
    () => new Response("<html>", { headers: { "content-type": "text/html" } }),
    () => Response.json({}),
    () => Response.json({ access_token: "a", token_type: "mac" }),
    () => Response.json({ access_token: 5, token_type: "Bearer" }),
    () => new Response(null, { status: 302, headers: { location: "https://elsewhere.test/" } }),
    () => Response.json({ access_token: "a".repeat(300_000), token_type: "Bearer" }),
  ];
  for (const answer of answers) {
    await using wrong = answering(answer);
    const call = refreshGrant(
      { ...found, server: wrong.endpoints },
      { refreshToken: new Secret("r"), clientId: "c" },
      deps,
      signal,
    );
    await assert.rejects(call, UpstreamError, String(answer));
  }
});

Deno.test("revokeGrant() makes a refresh token useless, or says that there is no way to", async () => {
  await using issuer = await TestIssuer.start();
  const { deps, found } = await clientOf(issuer);
  const refreshToken = new Secret(issuer.refreshToken());
  assert.equal(await revokeGrant(found, { refreshToken, clientId: "c" }, deps, signal), true);
  assert.equal(issuer.isKnown(refreshToken.reveal()), false);
  const { revocation_endpoint: _none, ...server } = found.server;
  assert.equal(await revokeGrant({ ...found, server }, { refreshToken, clientId: "c" }, deps, signal), false);
});

Deno.test("refreshGrant() reads answers whose values are of other types than the standard's", async () => {
  await using issuer = await TestIssuer.start();
  const { deps, found } = await clientOf(issuer);
  const ask = async (body: unknown, status: number) => {
    await using server = answering(() => Response.json(body, { status }));
    const asked: Issuer = { ...found, server: server.endpoints };
    await refreshGrant(asked, { refreshToken: new Secret("r"), clientId: "test-client" }, deps, signal);
  };
  await assert.rejects(ask({ error: "invalid_grant", error_description: 7 }, 400), NotSignedInError);
  const strange = { access_token: "a", token_type: "Bearer", expires_in: { toString: 1 } };
  await assert.rejects(ask(strange, 200), UpstreamError);
});
