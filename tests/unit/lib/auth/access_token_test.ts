import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { exportSPKI, importJWK, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { accessTokenVerifier, readUnverified, type VerifyAccessToken } from "../../../../lib/auth/access_token.ts";
import { findIssuer } from "../../../../lib/auth/issuer.ts";
import { NotSignedInError, TokenExpiredError, UnavailableError } from "../../../../lib/errors.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import { type Clock, systemClock } from "../../../../lib/system/clock.ts";
import { settingsFrom, signingKey, TestIssuer } from "../../../support/test_issuer.ts";

const http = httpClient("issuer");

async function verifierOf(
  issuer: TestIssuer,
  { leewayMs = 10_000, clock = systemClock } = {},
): Promise<VerifyAccessToken> {
  const settings = settingsFrom(issuer.variables("unused"));
  const found = await findIssuer(settings, { http, signal: new AbortController().signal });
  return accessTokenVerifier(found, { http, clock, leewayMs, keyAgeMs: 86_400_000 });
}

function clockAt(offsetMs: number): Clock {
  return { ...systemClock, now: () => Date.now() + offsetMs };
}

const nowSeconds = () => Math.floor(Date.now() / 1000);

Deno.test("accessTokenVerifier() gives the claims of a good token, with the issuer's name with and without a slash", async () => {
  await using issuer = await TestIssuer.start();
  const verify = await verifierOf(issuer);
  const { claims, expiresAtMs } = await verify(await issuer.token());
  assert.deepEqual([claims.sub, claims.org_id], ["auth0|1", "org_1"]);
  assert.equal(expiresAtMs, Number(claims.exp) * 1000);
  await verify(await issuer.token({ claims: { iss: issuer.url.href.replace(/\/$/, "") } }));
  await verify(await issuer.token({ claims: { aud: ["other", "https://platform.example.com"] } }));
  assert.equal(issuer.count("GET /jwks"), 1, "the keys are kept");
});

const HOSTILE: readonly [what: string, claims: JWTPayload, expected: RegExp][] = [
  ["another issuer", { iss: "https://evil.example.com/" }, /its claim "iss" is not accepted/],
  ["an issuer that begins like ours", { iss: "http://127.0.0.1.evil.test/" }, /its claim "iss"/],
  ["another audience", { aud: "https://other.example.com" }, /its claim "aud"/],
  ["no audience", { aud: [] }, /its claim "aud"/],
  ["a time to come", { nbf: nowSeconds() + 60 }, /its claim "nbf"/],
  ["no expiry", { exp: undefined as never }, /its claim "exp"/],
];

for (const [what, claims, expected] of HOSTILE) {
  Deno.test(`accessTokenVerifier() refuses a token of ${what}`, async () => {
    await using issuer = await TestIssuer.start();
    const verify = await verifierOf(issuer);
    await assert.rejects(issuer.token({ claims }).then(verify), (error) => {
      assert.ok(error instanceof NotSignedInError);
      assert.match(error.message, expected);
      return true;
    });
  });
}

Deno.test("accessTokenVerifier() lets clocks differ by the leeway, and no second more", async () => {
  await using issuer = await TestIssuer.start();
  const token = await issuer.token({ claims: { exp: nowSeconds() + 100, nbf: nowSeconds() } });
  await (await verifierOf(issuer, { clock: clockAt(108_000) }))(token);
  await (await verifierOf(issuer, { clock: clockAt(-8_000) }))(token);
  await assert.rejects((await verifierOf(issuer, { clock: clockAt(112_000) }))(token), TokenExpiredError);
  await assert.rejects((await verifierOf(issuer, { clock: clockAt(-12_000) }))(token), NotSignedInError);
  await assert.rejects((await verifierOf(issuer, { clock: clockAt(101_000), leewayMs: 0 }))(token), TokenExpiredError);
});

Deno.test("accessTokenVerifier() takes no algorithm from the token", async () => {
  await using issuer = await TestIssuer.start();
  const verify = await verifierOf(issuer);
  const good = await issuer.token();
  const claims = JSON.parse(Buffer.from(good.split(".")[1] ?? "", "base64url").toString());
  const publicKey = await importJWK(issuer.key.publicJwk, "RS256", { extractable: true });
  assert.ok(!(publicKey instanceof Uint8Array));
  const secrets = [
    new TextEncoder().encode(await exportSPKI(publicKey)),
    new TextEncoder().encode(JSON.stringify(issuer.key.publicJwk)),
    new Uint8Array(Buffer.from(issuer.key.publicJwk.n ?? "", "base64url")),
  ];
  const confused = await Promise.all(
    secrets.map((secret) => new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: issuer.key.kid }).sign(secret)),
  );
  const none = new UnsecuredJWT(claims).encode();
  const noneWithSignature = `${none.split(".").slice(0, 2).join(".")}.${good.split(".")[2]}`;
  for (const token of [...confused, none, noneWithSignature]) {
    await assert.rejects(verify(token), (error) => {
      assert.ok(error instanceof NotSignedInError);
      assert.match(error.message, /its signature algorithm is not accepted|it cannot be verified/);
      return true;
    });
  }
});

Deno.test("accessTokenVerifier() refuses a changed payload, a cut token, and one that is far too long", async () => {
  await using issuer = await TestIssuer.start();
  const verify = await verifierOf(issuer);
  const [header, payload = "", signature] = (await issuer.token()).split(".");
  const other = Buffer.from(payload, "base64url").toString().replace("org_1", "org_2");
  const changed = [header, Buffer.from(other).toString("base64url"), signature].join(".");
  for (const token of [changed, `${header}.${payload}.`, `${header}.${payload}`, "", "x".repeat(20_000)]) {
    await assert.rejects(verify(token), NotSignedInError, token.slice(0, 40));
  }
});

Deno.test("accessTokenVerifier() asks once for new keys because of unknown ones, however many tokens name them", async () => {
  await using issuer = await TestIssuer.start();
  const verify = await verifierOf(issuer);
  await verify(await issuer.token());
  const before = issuer.count("GET /jwks");
  const foreign = await signingKey();
  for (let count = 0; count < 10; count++) {
    const header = { kid: `unknown-${count}` };
    await assert.rejects(verify(await issuer.token({ key: foreign, header })), NotSignedInError);
  }
  assert.ok(issuer.count("GET /jwks") - before <= 1, `${issuer.calls}`);
});

Deno.test("accessTokenVerifier() tells an issuer that is away from a token that is wrong", async () => {
  await using issuer = await TestIssuer.start();
  const verify = await verifierOf(issuer);
  issuer.isAway = true;
  await assert.rejects(verify(await issuer.token()), UnavailableError);
  issuer.isAway = false;
  issuer.published = [];
  await assert.rejects(verify(await issuer.token()), NotSignedInError);
});

Deno.test("readUnverified() looks at form and expiry only", async () => {
  await using issuer = await TestIssuer.start();
  assert.equal(readUnverified(await issuer.token(), systemClock).claims.sub, "auth0|1");
  const expired = await issuer.token({ claims: { exp: nowSeconds() } });
  assert.throws(() => readUnverified(expired, systemClock), TokenExpiredError);
  for (const token of ["", "a.b.c", "garbage"]) {
    assert.throws(() => readUnverified(token, systemClock), NotSignedInError);
  }
});
