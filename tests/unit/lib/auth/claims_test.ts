import { exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import assert from "node:assert/strict";
import { type TokenRules, tokenVerifier, unverified } from "../../../../lib/auth/claims.ts";
import { utf8 } from "../../../../lib/bytes.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import { eventually } from "../../../support/eventually.ts";

const NOW_SECONDS = 1_800_000_000;
const clock = { now: () => NOW_SECONDS * 1000, sleep: () => Promise.resolve() };
const SECRET = utf8("a secret of at least thirty-two bytes");
const PUBLISHED = ["ES256", "EdDSA", "RS256"] as const;

/** An issuer with a key per algorithm, whose key set is served over HTTP. */
class Issuer implements AsyncDisposable {
  readonly #pairs: ReadonlyMap<string, CryptoKeyPair>;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  fetches = 0;
  answer: () => Response;

  private constructor(pairs: ReadonlyMap<string, CryptoKeyPair>, keys: readonly JWK[]) {
    this.#pairs = pairs;
    this.answer = () => Response.json({ keys });
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
      this.fetches++;
      return this.answer();
    });
  }

  static async start(): Promise<Issuer> {
    const pairs = new Map<string, CryptoKeyPair>();
    const keys: JWK[] = [];
    for (const alg of PUBLISHED) {
      const pair = await generateKeyPair(alg, { extractable: true });
      pairs.set(alg, pair);
      keys.push({ ...await exportJWK(pair.publicKey), kid: alg, use: "sig" });
    }
    return new Issuer(pairs, keys);
  }

  rules(overrides: Partial<TokenRules> = {}): TokenRules {
    const jwksUrl = new URL(`http://127.0.0.1:${this.#server.addr.port}/jwks.json`);
    return { jwksUrl, algorithms: PUBLISHED, http: httpClient("API"), clock, ...overrides };
  }

  pair(alg: string): CryptoKeyPair {
    const pair = this.#pairs.get(alg);
    assert.ok(pair !== undefined);
    return pair;
  }

  async sign(claims: JWTPayload, alg = "ES256", kid = alg): Promise<string> {
    return await new SignJWT(claims).setProtectedHeader({ alg, kid }).sign(this.pair(alg).privateKey);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function claims(overrides: Record<string, unknown> = {}): JWTPayload {
  return { nameid: "7", unique_name: "anna@example.com", role: "Operator", exp: NOW_SECONDS + 3600, ...overrides };
}

const ANNA = {
  user: { id: "7", email: "anna@example.com", role: "Operator" },
  expiresAtMs: (NOW_SECONDS + 3600) * 1000,
};
const refused = { code: "not_signed_in" };

Deno.test("tokenVerifier() accepts each allowed algorithm with its own key", async () => {
  await using issuer = await Issuer.start();
  const verify = tokenVerifier(issuer.rules());
  for (const alg of PUBLISHED) assert.deepEqual(await verify(await issuer.sign(claims(), alg)), ANNA, alg);
  assert.equal(issuer.fetches, 1);
});

Deno.test("tokenVerifier() accepts HS256 with the secret only, and asks for no keys", async () => {
  await using issuer = await Issuer.start();
  const verify = tokenVerifier(issuer.rules({ algorithms: ["HS256"], hs256Secret: SECRET }));
  const sign = (secret: Uint8Array) => new SignJWT(claims()).setProtectedHeader({ alg: "HS256" }).sign(secret);
  assert.deepEqual(await verify(await sign(SECRET)), ANNA);
  await assert.rejects(verify(await sign(utf8("another secret of thirty-two bytes"))), refused);
  await assert.rejects(verify(await issuer.sign(claims())), refused);
  assert.equal(issuer.fetches, 0);
  assert.throws(() => tokenVerifier(issuer.rules({ algorithms: ["HS256"] })), TypeError);
});

Deno.test("tokenVerifier() never takes a public key for a secret, whatever the settings allow", async () => {
  await using issuer = await Issuer.start();
  const publicKey = utf8(await exportSPKI(issuer.pair("RS256").publicKey));
  const confused = await new SignJWT(claims()).setProtectedHeader({ alg: "HS256", kid: "RS256" }).sign(publicKey);
  await assert.rejects(tokenVerifier(issuer.rules())(confused), refused);
  const both = tokenVerifier(issuer.rules({ algorithms: [...PUBLISHED, "HS256"], hs256Secret: SECRET }));
  await assert.rejects(both(confused), refused);
});

Deno.test("tokenVerifier() refuses algorithms outside of the settings, even with a good signature", async () => {
  await using issuer = await Issuer.start();
  const verify = tokenVerifier(issuer.rules({ algorithms: ["ES256"] }));
  await assert.rejects(verify(await issuer.sign(claims(), "RS256")), refused);
  await assert.rejects(verify(new UnsecuredJWT(claims()).encode()), refused);
  const [, payload] = (await issuer.sign(claims())).split(".");
  const none = btoa(JSON.stringify({ alg: "none" })).replaceAll("=", "");
  for (const token of [`${none}.${payload}.`, `${none}.${payload}`, "", "x", "a.b.c", "x".repeat(20_000)]) {
    await assert.rejects(verify(token), refused, token.slice(0, 40));
  }
});

Deno.test("tokenVerifier() refuses a foreign signature, a changed payload and an unknown kid", async () => {
  await using issuer = await Issuer.start();
  await using stranger = await Issuer.start();
  const verify = tokenVerifier(issuer.rules());
  await assert.rejects(verify(await stranger.sign(claims())), refused);
  await assert.rejects(verify(await issuer.sign(claims(), "ES256", "unknown")), refused);
  const [header, , signature] = (await issuer.sign(claims())).split(".");
  const [, other] = (await issuer.sign(claims({ role: "ApiAdmin" }))).split(".");
  await assert.rejects(verify(`${header}.${other}.${signature}`), refused);
});

Deno.test("tokenVerifier() takes a key that is new within seconds, and does not ask for it with every token", async () => {
  await using issuer = await Issuer.start();
  const verify = tokenVerifier(issuer.rules());
  const { keys } = await issuer.answer().json() as { keys: JWK[] };
  issuer.answer = () => Response.json({ keys: keys.filter(({ kid }) => kid !== "ES256") });
  await verify(await issuer.sign(claims(), "EdDSA"));
  issuer.answer = () => Response.json({ keys });
  const token = await issuer.sign(claims(), "ES256");
  await eventually("the new key is known", () => verify(token).then(() => true, () => false));
  assert.equal(issuer.fetches, 2);
});

Deno.test("tokenVerifier() and unverified() hold exp and nbf with 60 seconds of leeway", async () => {
  await using issuer = await Issuer.start();
  const cases: [Record<string, unknown>, boolean][] = [
    [{ exp: NOW_SECONDS - 59 }, true],
    [{ exp: NOW_SECONDS - 60 }, false],
    [{ exp: undefined }, false],
    [{ nbf: NOW_SECONDS + 60 }, true],
    [{ nbf: NOW_SECONDS + 61 }, false],
  ];
  for (const verify of [tokenVerifier(issuer.rules()), unverified(clock)]) {
    for (const [times, accepted] of cases) {
      const outcome = await verify(await issuer.sign(claims(times))).then(() => true, (error) => error.code);
      assert.equal(outcome, accepted || "not_signed_in", JSON.stringify(times));
    }
  }
});

Deno.test("tokenVerifier() holds issuer and audience where they are set", async () => {
  await using issuer = await Issuer.start();
  const verify = tokenVerifier(
    issuer.rules({ issuer: ["AzaionApi", "https://origin.example/"], audience: ["Annotators/OrangePi/Admins"] }),
  );
  const right = { iss: "AzaionApi", aud: "Annotators/OrangePi/Admins" };
  assert.deepEqual(await verify(await issuer.sign(claims(right))), ANNA);
  for (const wrong of [{}, { iss: "AzaionApi" }, { ...right, iss: "other" }, { ...right, aud: ["other"] }]) {
    await assert.rejects(verify(await issuer.sign(claims(wrong))), refused, JSON.stringify(wrong));
  }
});

Deno.test("tokenVerifier() reads .NET's long claim names, arrays of roles and unknown roles", async () => {
  await using issuer = await Issuer.start();
  const verify = tokenVerifier(issuer.rules());
  const identity = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims";
  const long = {
    [`${identity}/nameidentifier`]: "7",
    [`${identity}/name`]: "anna@example.com",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/role": "Operator",
    exp: NOW_SECONDS + 3600,
  };
  assert.deepEqual(await verify(await issuer.sign(long)), ANNA);
  assert.deepEqual(
    await verify(await issuer.sign({ sub: "7", email: "anna@example.com", role: "Operator", exp: NOW_SECONDS + 3600 })),
    ANNA,
  );
  const roles: [unknown, string][] = [
    [["Operator", "Admin", "God"], "Admin"],
    ["God", "NONE"],
    ["admin", "NONE"],
    ["toString", "NONE"],
    [1000, "NONE"],
    [undefined, "NONE"],
    [[], "NONE"],
  ];
  for (const [role, expected] of roles) {
    assert.equal((await verify(await issuer.sign(claims({ role })))).user.role, expected, JSON.stringify(role));
  }
});

Deno.test("tokenVerifier() and unverified() refuse a token that does not say whose it is", async () => {
  await using issuer = await Issuer.start();
  const nobody = await issuer.sign(claims({ unique_name: undefined }));
  await assert.rejects(tokenVerifier(issuer.rules())(nobody), refused);
  await assert.rejects(unverified(clock)(nobody), refused);
  await assert.rejects(unverified(clock)("not a token"), refused);
});

Deno.test("unverified() reads a token that nobody can verify", async () => {
  await using issuer = await Issuer.start();
  assert.deepEqual(await unverified(clock)(await issuer.sign(claims(), "ES256", "unknown")), ANNA);
  assert.equal(issuer.fetches, 0);
});

Deno.test("tokenVerifier() tells keys that cannot be fetched from keys that are none, and recovers", async () => {
  await using issuer = await Issuer.start();
  const good = issuer.answer;
  const verify = tokenVerifier(issuer.rules());
  const token = await issuer.sign(claims());
  const answers: [() => Response, string][] = [
    [() => new Response(null, { status: 503 }), "unavailable"],
    [() => new Response("<html>"), "upstream"],
    [() => Response.json({ keys: 1 }), "upstream"],
    [() => new Response(new Uint8Array(300_000)), "upstream"],
    [() => Response.redirect("http://127.0.0.1:1/"), "upstream"],
  ];
  for (const [answer, code] of answers) {
    issuer.answer = answer;
    await assert.rejects(verify(token), { code }, answer.toString());
  }
  issuer.answer = good;
  assert.deepEqual(await verify(token), ANNA);
  const away = tokenVerifier(issuer.rules({ jwksUrl: new URL("http://127.0.0.1:1/") }));
  await assert.rejects(away(token), { code: "unavailable" });
});

Deno.test("tokenVerifier() takes a token in the one way in which it is written only", async () => {
  await using issuer = await Issuer.start();
  const token = await issuer.sign(claims());
  const verify = tokenVerifier(issuer.rules());
  await verify(token);
  for (
    const other of [`${token}\t`, token.replace(".", ".\n"), `${token}=`, `${token}.`, token.replace(/\..*\./, "..")]
  ) {
    await assert.rejects(verify(other), { name: "NotSignedInError" }, JSON.stringify(other));
    await assert.rejects(unverified(clock)(other), { name: "NotSignedInError" }, JSON.stringify(other));
  }
});

Deno.test("tokenVerifier() tells of a key that is none as an answer of the API", async () => {
  await using issuer = await Issuer.start();
  const token = await issuer.sign(claims());
  issuer.answer = () => Response.json({ keys: [{ kty: "EC", crv: "P-256", x: "=", y: "=", kid: "ES256" }] });
  await assert.rejects(tokenVerifier(issuer.rules())(token), { name: "UpstreamError" });
});
