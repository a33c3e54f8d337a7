import assert from "node:assert/strict";
import {
  decodeJwt,
  decodeProtectedHeader,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWTPayload,
  SignJWT,
} from "jose";
import { utf8 } from "../../lib/bytes.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { IssuerKeys } from "../../origin/oidc/issuer_keys.ts";
import { State } from "../../origin/state.ts";
import { AUDIENCE, CLIENT_ID, signInByBrowser } from "../support/oauth_client.ts";
import { OriginSite } from "../support/origin_site.ts";

/** Signs as the issuer itself would, other claims or another header. */
async function forge(site: OriginSite, payload: JWTPayload, header: Record<string, unknown> = {}): Promise<string> {
  using state = await State.open(site.dataDir, 0);
  const key = await new IssuerKeys({ state, clock: systemClock }).current();
  const signing = await importJWK(key, "RS256");
  return await new SignJWT(payload).setProtectedHeader({ alg: "RS256", typ: "at+jwt", kid: key.kid, ...header }).sign(
    signing,
  );
}

function without(payload: JWTPayload, claim: string): JWTPayload {
  return Object.fromEntries(Object.entries(payload).filter(([name]) => name !== claim));
}

function unsigned(header: object, payload: object): string {
  const encode = (part: object) => utf8(JSON.stringify(part)).toBase64({ alphabet: "base64url", omitPadding: true });
  return `${encode(header)}.${encode(payload)}.`;
}

Deno.test("origin: neither API takes a token that is not an access token of this issuer, for this origin, now", async () => {
  await using site = await OriginSite.start();
  const { access_token, id_token = "" } = await signInByBrowser(site, site.admin, { scope: "openid offline_access" });
  const payload = decodeJwt(access_token);
  const header = { ...decodeProtectedHeader(access_token), alg: "RS256" };
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const publicBytes = utf8(await exportSPKI(publicKey));
  const [head = "", body = "", signature = ""] = access_token.split(".");
  const nowSeconds = Math.floor(systemClock.now() / 1000);
  assert.equal(
    (await site.call("GET", "/api/v1/me", { token: await forge(site, payload) })).status,
    200,
    "the forgery itself is good",
  );
  const forged: Record<string, string> = {
    "an ID token": id_token,
    "an ID token in other clothes": await forge(site, { ...decodeJwt(id_token), grant_id: payload.grant_id }),
    "no signature": unsigned({ ...header, alg: "none" }, payload),
    "a cut signature": `${head}.${body}.${signature.slice(0, -4)}`,
    "another key under our kid": await new SignJWT(payload).setProtectedHeader(header).sign(privateKey),
    "a public key as secret": await new SignJWT(payload).setProtectedHeader({ ...header, alg: "HS256" }).sign(
      publicBytes,
    ),
    "an unknown kid": await forge(site, payload, { kid: "unknown" }),
    "a type of another use": await forge(site, payload, { typ: "JWT" }),
    "another audience": await forge(site, { ...payload, aud: "https://other.example" }),
    "the client as audience": await forge(site, { ...payload, aud: CLIENT_ID }),
    "another issuer": await forge(site, { ...payload, iss: "http://evil.example/" }),
    "another issuer's slash": await forge(site, { ...payload, iss: site.url }),
    "expired": await forge(site, { ...payload, exp: nowSeconds - 1 }),
    "not yet valid": await forge(site, { ...payload, nbf: nowSeconds + 3600 }),
    "no expiry": await forge(site, without(payload, "exp")),
    "another consent": await forge(site, { ...payload, grant_id: "unknown" }),
    "no consent": await forge(site, without(payload, "grant_id")),
    "nobody": await forge(site, { ...payload, sub: "unknown" }),
    "a number for a person": await forge(site, { ...without(payload, "sub"), grant_id: 1 }),
  };
  for (const [what, token] of Object.entries(forged)) {
    for (const path of ["/api/v1/me", "/users/current"]) {
      const { status, text } = await site.call("GET", path, { token });
      assert.equal(status, 401, `${what} at ${path}: ${text}`);
    }
  }
  assert.ok(JSON.stringify(payload.aud).includes(AUDIENCE));
});
