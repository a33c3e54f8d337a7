import assert from "node:assert/strict";
import { tokenVerifier } from "../../lib/auth/claims.ts";
import { httpClient } from "../../lib/http/client.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { startDevice } from "../support/device.ts";
import { AUDIENCE, signInByBrowser } from "../support/oauth_client.ts";
import { OriginSite, PASSWORD } from "../support/origin_site.ts";

/** What a device of this origin accepts, as its settings would say it. */
function verifierFor(site: OriginSite, rules: { issuer?: readonly string[]; audience?: readonly string[] } = {}) {
  return tokenVerifier({
    jwksUrl: new URL(`${site.url}/.well-known/jwks.json`),
    algorithms: ["ES256", "EdDSA", "RS256"],
    http: httpClient("API"),
    clock: systemClock,
    ...rules,
  });
}

Deno.test("a device takes the tokens of the issuer beside those of the Resource API, each with its account's role", async () => {
  await using site = await OriginSite.start();
  const operator = await site.user("Operator");
  const account = { email: operator.email, password: PASSWORD };
  const { access_token } = await signInByBrowser(site, account, { scope: "offline_access" });
  const verify = verifierFor(site, {
    issuer: ["AzaionApi", `${site.url}/`],
    audience: ["Annotators/OrangePi/Admins", AUDIENCE],
  });
  await using device = await startDevice({ flags: { "caller-auth": "bearer" }, services: { verify } });
  device.resources.published.set("models/a.onnx", new Uint8Array([1, 2, 3]));
  const load = async (token: string) => {
    const body = JSON.stringify({ filename: "a.onnx", folder: "models" });
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await fetch(`${device.url}/load/a.onnx`, { method: "POST", headers, body });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await load(access_token), 200);
  assert.equal(await load(operator.token), 200);
  const [header, payload, signature] = access_token.split(".");
  assert.equal(await load(`${header}.${payload}.${signature?.split("").reverse().join("")}`), 401);
});

Deno.test("a device takes no role from an ID token, nor from a role in an organisation", async () => {
  await using site = await OriginSite.start();
  const nobody = await site.user("NONE");
  const account = { email: nobody.email, password: PASSWORD };
  const answer = await signInByBrowser(site, account, { scope: "openid email offline_access", nonce: "n" });
  const verify = verifierFor(site);
  assert.equal((await verify(String(answer.id_token))).user.role, "NONE");
  const { user } = await verify(answer.access_token);
  assert.deepEqual([user.role, user.email], ["NONE", nobody.email]);
});

Deno.test("a device that names issuer and audience takes no others", async () => {
  await using site = await OriginSite.start();
  const { access_token } = await signInByBrowser(site);
  const rules = [{ issuer: ["AzaionApi"] }, { audience: ["Annotators/OrangePi/Admins"] }, { issuer: [site.url] }];
  for (const rule of rules) await assert.rejects(verifierFor(site, rule)(access_token), /is not accepted/);
  assert.equal(
    (await verifierFor(site, { issuer: [`${site.url}/`], audience: [AUDIENCE] })(access_token)).user.role,
    "ApiAdmin",
  );
  const resourceToken = await site.adminToken();
  await assert.rejects(verifierFor(site, { audience: [AUDIENCE] })(resourceToken), /is not accepted/);
});
