import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import fc from "fast-check";
import { toBase64Url, utf8 } from "../../../lib/bytes.ts";
import { readClaims, readUnverified } from "../../../lib/auth/access_token.ts";
import { tokenVerifier, unverified } from "../../../lib/auth/claims.ts";
import { signInWithDevice } from "../../../lib/auth/device_flow.ts";
import { givenToken } from "../../../lib/auth/external_token.ts";
import { findIssuer } from "../../../lib/auth/issuer.ts";
import { parseRole, ROLES } from "../../../lib/auth/roles.ts";
import { parseTokens } from "../../../lib/auth/token_cache.ts";
import { refreshGrant } from "../../../lib/auth/token_grant.ts";
import { parsePlatformSettings } from "../../../lib/config/platform_settings.ts";
import { Secret } from "../../../lib/config/secret.ts";
import { answering, STILL_CLOCK } from "../answers.ts";
import { nearJson, nearJsonBytes, nearText } from "../mutation.ts";
import { asyncParserCase, named, type ParserCase, parserCase } from "../parser_case.ts";

const NOW_SECONDS = STILL_CLOCK.now() / 1000;
const CLAIMS = {
  ...{ sub: "u-1", email: "ada@example.com", role: ["Operator", "Admin"], iss: "i", aud: "a" },
  ...{ nbf: NOW_SECONDS - 10, exp: NOW_SECONDS + 3600 },
};
const METADATA = {
  issuer: "http://127.0.0.1:8090/",
  authorization_endpoint: "http://127.0.0.1:8090/auth",
  token_endpoint: "http://127.0.0.1:8090/token",
  jwks_uri: "http://127.0.0.1:8090/jwks",
  device_authorization_endpoint: "http://127.0.0.1:8090/device",
  id_token_signing_alg_values_supported: ["ES256"],
  authorization_response_iss_parameter_supported: true,
  tallystick_audience: "aud",
  tallystick_client_id: "client",
};
const TOKENS = { access_token: "a.b.c", refresh_token: "r", token_type: "Bearer", expires_in: 300, scope: "x" };
const DEVICE = {
  ...{ device_code: "d", user_code: "ABCD-EFGH", verification_uri: "http://127.0.0.1:8090/activate" },
  ...{ expires_in: 900, interval: 5 },
};
const JSON_HEADERS = { "content-type": "application/json" };
const notSignedIn = named("NotSignedInError");
const oauthErrors = named("NotSignedInError", "ConfigurationError", "UpstreamError", "UnavailableError");
const { signal } = new AbortController();

/** Tokens, keys, and what issuers answer. */
export async function authCases(): Promise<ParserCase[]> {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = { ...await exportJWK(publicKey), kid: "k1", alg: "ES256", use: "sig" };
  const hs256 = await new SignJWT(CLAIMS).setProtectedHeader({ alg: "HS256" }).sign(secret);
  const es256 = await new SignJWT(CLAIMS).setProtectedHeader({ alg: "ES256", kid: "k1" }).sign(privateKey);
  const rules = { jwksUrl: new URL("http://127.0.0.1/jwks"), clock: STILL_CLOCK };
  const verifyHs = tokenVerifier({ ...rules, algorithms: ["HS256"], hs256Secret: secret, http: answering() });
  const settings = parsePlatformSettings({
    flags: {},
    environment: (name) => name === "AIGNOSTICS_API_ROOT" ? "http://127.0.0.1:8090/" : undefined,
    files: [],
  });
  const body = utf8(JSON.stringify(METADATA));
  const issuer = await findIssuer(settings, { http: answering({ body }), signal });
  const deps = { clock: STILL_CLOCK, retry: { attempts: 1, baseDelayMs: 0, maxDelayMs: 0 }, timeoutMs: 1000 };
  const token = (header: string, payload: string) => `${toBase64Url(utf8(header))}.${toBase64Url(utf8(payload))}.c2ln`;
  const claims = fc.tuple(nearJson({ alg: "none" }), nearJson(CLAIMS)).map(([header, payload]) =>
    token(header, payload)
  );
  return [
    asyncParserCase("tokenVerifier()", ["lib/auth/claims.ts"], nearText(hs256), {
      parse: verifyHs,
      refusal: notSignedIn,
      accepted: (_value, input) => assert.equal(input, hs256, "nothing but what was signed"),
    }),
    asyncParserCase("tokenVerifier() on signed claims", ["lib/auth/claims.ts"], nearJson(CLAIMS), {
      async parse(payload) {
        const signed = await signedWith(secret, payload);
        return await verifyHs(signed);
      },
      refusal: notSignedIn,
      accepted: ({ user, expiresAtMs }) => {
        assert.ok(user.email !== "" && user.id !== "" && Object.hasOwn(ROLES, user.role));
        assert.ok(expiresAtMs > STILL_CLOCK.now() - 61_000);
      },
    }),
    asyncParserCase("tokenVerifier() on key sets", ["lib/auth/key_set.ts"], nearJsonBytes({ keys: [jwk] }), {
      parse: (keySet) => tokenVerifier({ ...rules, algorithms: ["ES256"], http: answering({ body: keySet }) })(es256),
      refusal: named("NotSignedInError", "UpstreamError"),
      accepted: (value) => assert.equal(value.user.id, "u-1"),
    }),
    asyncParserCase("unverified()", ["lib/auth/claims.ts"], fc.oneof(nearText(hs256), claims), {
      parse: unverified(STILL_CLOCK),
      refusal: notSignedIn,
      accepted: ({ user, expiresAtMs }) => {
        assert.ok(user.email !== "" && user.id !== "" && Object.hasOwn(ROLES, user.role));
        assert.ok(expiresAtMs > STILL_CLOCK.now() - 61_000);
      },
    }),
    parserCase("readUnverified()", ["lib/auth/access_token.ts"], fc.oneof(nearText(hs256), claims), {
      parse: (text) => readUnverified(text, STILL_CLOCK),
      refusal: named("NotSignedInError", "TokenExpiredError"),
      accepted: ({ expiresAtMs }) => assert.ok(expiresAtMs > STILL_CLOCK.now()),
    }),
    parserCase("readClaims()", ["lib/auth/access_token.ts"], fc.oneof(nearText(hs256), claims), {
      parse: readClaims,
      accepted: (value) => assert.ok(value === undefined || typeof value === "object"),
    }),
    parserCase("parseRole()", ["lib/auth/roles.ts"], nearText(...Object.keys(ROLES)), {
      parse: parseRole,
      accepted: (role, input) => assert.ok(role === input || role === "NONE"),
    }),
    asyncParserCase("givenToken()", ["lib/auth/external_token.ts"], nearText(hs256, "opaque"), {
      parse: (text) => givenToken(new Secret(text))(signal),
      refusal: notSignedIn,
      accepted: (value) => assert.match(value, /^[\x21-\x7e]+$/, "it can stand in a header, and end none"),
    }),
    asyncParserCase("findIssuer()", ["lib/auth/issuer.ts"], nearJsonBytes(METADATA), {
      parse: (bytes) => findIssuer(settings, { http: answering({ body: bytes }), signal }),
      refusal: named("ConfigurationError", "UpstreamError"),
      accepted: ({ algorithms, jwksUrl, server }) => {
        assert.ok(algorithms.every((name) => /^(RS256|PS256|ES256|EdDSA)$/.test(name)), "no secret signs");
        for (const url of [jwksUrl.href, server.token_endpoint ?? ""]) {
          assert.match(url, /^(https:|http:\/\/127\.|http:\/\/localhost|http:\/\/\[::1\])/);
        }
      },
    }),
    parserCase("parseTokens()", ["lib/auth/token_cache.ts"], nearJsonBytes({ ...TOKENS, client_id: "c" }), {
      parse: parseTokens,
      accepted: (grant) => assert.ok(grant === undefined || grant.accessToken.reveal() !== ""),
    }),
    asyncParserCase(
      "refreshGrant()",
      ["lib/auth/token_grant.ts", "lib/auth/oauth_call.ts"],
      fc.tuple(
        fc.constantFrom(200, 200, 200, 400, 401),
        nearJsonBytes(TOKENS, { error: "invalid_grant", error_description: "no" }),
      ),
      {
        parse: ([status, answer]) => {
          const http = answering({ status, headers: JSON_HEADERS, body: answer });
          const held = { refreshToken: new Secret("r"), clientId: "client" };
          return refreshGrant(issuer, held, { ...deps, http }, signal);
        },
        refusal: oauthErrors,
        accepted: ({ accessToken }, [status]) => assert.ok(status === 200 && accessToken.reveal() !== ""),
      },
    ),
    asyncParserCase("signInWithDevice()", ["lib/auth/device_flow.ts"], nearJsonBytes(DEVICE), {
      parse: (answer) => {
        const granted = { headers: JSON_HEADERS, body: utf8(JSON.stringify(TOKENS)) };
        const http = answering({ headers: JSON_HEADERS, body: answer }, granted);
        const showPrompt = ({ expiresInMs }: { expiresInMs: number }) => assert.ok(expiresInMs <= 3_600_000);
        return signInWithDevice(issuer, settings, { ...deps, http, showPrompt }, signal);
      },
      refusal: oauthErrors,
    }),
  ];
}

async function signedWith(secret: Uint8Array<ArrayBuffer>, payload: string): Promise<string> {
  const signed = `${toBase64Url(utf8('{"alg":"HS256"}'))}.${toBase64Url(utf8(payload))}`;
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return `${signed}.${toBase64Url(new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8(signed))))}`;
}
