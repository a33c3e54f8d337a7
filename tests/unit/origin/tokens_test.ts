import assert from "node:assert/strict";
import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  generateKeyPair,
  jwtVerify,
  SignJWT,
  UnsecuredJWT,
} from "jose";
import { NotSignedInError } from "../../../lib/errors.ts";
import { Accounts } from "../../../origin/accounts.ts";
import { PasswordHasher } from "../../../origin/passwords.ts";
import { State } from "../../../origin/state.ts";
import { generateSigningKey, rotateSigningKey, TOKEN_AUDIENCE, TOKEN_ISSUER, Tokens } from "../../../origin/tokens.ts";
import { tempFolder } from "../../support/temp_folder.ts";
import { testClock } from "../../support/test_clock.ts";

const HOUR_MS = 3_600_000;

async function setUp() {
  const folder = await tempFolder();
  const clock = testClock();
  const state = await State.create(folder.path, clock.now());
  const accounts = new Accounts({ state, passwords: new PasswordHasher(), clock });
  const rotate = async () => rotateSigningKey(state, await generateSigningKey(), clock.now());
  await rotate();
  await accounts.create({ email: "root@example.com", password: "long enough", role: "ApiAdmin" });
  const account = await accounts.create({ email: "op@example.com", password: "long enough", role: "Operator" });
  return {
    clock,
    state,
    accounts,
    rotate,
    account,
    tokens: new Tokens({ state, accounts, clock }),
    async [Symbol.asyncDispose]() {
      state[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

Deno.test("Tokens.issue makes what v1 clients read, verifiable with the published keys", async () => {
  await using site = await setUp();
  const token = await site.tokens.issue({ account: site.account, spelledEmail: "OP@example.com" });
  const { kid, alg } = decodeProtectedHeader(token);
  assert.equal(alg, "ES256");
  assert.equal(kid, site.tokens.jwks().keys[0]?.kid);
  const { payload } = await jwtVerify(token, createLocalJWKSet(site.tokens.jwks()), {
    currentDate: new Date(site.clock.now()),
  });
  const issuedAt = site.clock.now() / 1000;
  assert.deepEqual(payload, {
    nameid: site.account.id,
    unique_name: "OP@example.com",
    role: "Operator",
    iss: "AzaionApi",
    aud: "Annotators/OrangePi/Admins",
    iat: issuedAt,
    exp: issuedAt + 4 * 3600,
  });
});

Deno.test("Tokens.jwks holds no private half", async () => {
  await using site = await setUp();
  for (const key of site.tokens.jwks().keys) {
    assert.deepEqual(Object.keys(key).sort(), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
  }
});

Deno.test("Tokens.verify refuses forged tokens", async () => {
  await using site = await setUp();
  const genuine = await site.tokens.issue({ account: site.account, spelledEmail: "op@example.com" });
  const claims = decodeJwt(genuine);
  const kid = String(decodeProtectedHeader(genuine).kid);
  const [, payload = "", signature = ""] = genuine.split(".");
  const foreign = await generateKeyPair("ES256");
  const signed = (alg: string, header: { kid?: string }, key: CryptoKey | Uint8Array) =>
    new SignJWT(claims).setProtectedHeader({ alg, ...header }).sign(key);
  const publicKey = new TextEncoder().encode(JSON.stringify(site.tokens.jwks().keys[0]));
  const elevated = new TextEncoder().encode(JSON.stringify({ ...claims, role: "ApiAdmin" }))
    .toBase64({ alphabet: "base64url", omitPadding: true });
  const forgeries: Record<string, string> = {
    "alg none": new UnsecuredJWT(claims).encode(),
    "alg none with our kid": `${btoa(JSON.stringify({ alg: "none", kid }))}.${payload}.`,
    "another key under our kid": await signed("ES256", { kid }, foreign.privateKey),
    "another key under its own kid": await signed("ES256", { kid: "other" }, foreign.privateKey),
    "no kid": await signed("ES256", {}, foreign.privateKey),
    "HS256 with the public key": await signed("HS256", { kid }, publicKey),
    "changed claims": `${genuine.split(".")[0]}.${elevated}.${signature}`,
    "no signature": `${genuine.split(".")[0]}.${payload}.`,
    "cut off": genuine.slice(0, -4),
    "nothing": "",
    "no token": "x",
  };
  for (const [what, token] of Object.entries(forgeries)) {
    await assert.rejects(site.tokens.verify(token), NotSignedInError, what);
  }
  assert.equal((await site.tokens.verify(genuine)).account.email, "op@example.com");
});

Deno.test("Tokens.verify refuses our own signature over other claims", async () => {
  await using site = await setUp();
  const row = site.state.get("SELECT kid, private_jwk FROM signing_keys");
  const jwk = JSON.parse(String(row?.private_jwk));
  const key = await crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  const now = site.clock.now() / 1000;
  const good = {
    nameid: site.account.id,
    unique_name: "op@example.com",
    iss: TOKEN_ISSUER,
    aud: TOKEN_AUDIENCE,
    exp: now + 60,
  };
  const sign = (claims: Record<string, unknown>) =>
    new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: String(row?.kid) }).sign(key);
  await site.tokens.verify(await sign(good));
  const { exp: _, ...endless } = good;
  const others = {
    "issuer": { ...good, iss: "other" },
    "audience": { ...good, aud: "other" },
    "no expiry": endless,
    "expired": { ...good, exp: now - 1 },
    "not yet": { ...good, nbf: now + 60 },
    "unknown account": { ...good, nameid: crypto.randomUUID() },
    "no account": { ...good, nameid: 7 },
  };
  for (const [what, claims] of Object.entries(others)) {
    await assert.rejects(site.tokens.verify(await sign(claims)), NotSignedInError, what);
  }
});

Deno.test("Tokens.verify ends after four hours", async () => {
  await using site = await setUp();
  const token = await site.tokens.issue({ account: site.account, spelledEmail: "op@example.com" });
  site.clock.advance(4 * HOUR_MS - 1000);
  await site.tokens.verify(token);
  site.clock.advance(1000);
  await assert.rejects(site.tokens.verify(token), NotSignedInError);
});

Deno.test("Tokens.verify sees a new role, and a disabled or removed account, at once", async () => {
  await using site = await setUp();
  const token = await site.tokens.issue({ account: site.account, spelledEmail: "op@example.com" });
  site.accounts.setRole("op@example.com", "Validator");
  assert.equal((await site.tokens.verify(token)).account.role, "Validator");
  site.accounts.setEnabled("op@example.com", false);
  await assert.rejects(site.tokens.verify(token), NotSignedInError);
  site.accounts.setEnabled("op@example.com", true);
  await site.tokens.verify(token);
  site.accounts.remove("op@example.com");
  await assert.rejects(site.tokens.verify(token), NotSignedInError);
});

Deno.test("rotateSigningKey lets old keys verify until their last token has expired", async () => {
  await using site = await setUp();
  const signedIn = { account: site.account, spelledEmail: "op@example.com" };
  const [oldKid] = site.tokens.jwks().keys.map(({ kid }) => kid);
  const oldToken = await site.tokens.issue(signedIn);
  site.clock.advance(HOUR_MS);
  await site.rotate();
  const newToken = await site.tokens.issue(signedIn);
  assert.notEqual(decodeProtectedHeader(newToken).kid, oldKid);
  await site.tokens.verify(oldToken);
  await site.tokens.verify(newToken);
  assert.equal(site.tokens.jwks().keys.length, 2);
  site.clock.advance(4 * HOUR_MS + 1);
  assert.ok(!site.tokens.jwks().keys.some(({ kid }) => kid === oldKid));
  await site.rotate();
  assert.equal(site.state.get("SELECT kid FROM signing_keys WHERE kid = ?", String(oldKid)), undefined);
});
