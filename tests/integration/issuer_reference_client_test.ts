import assert from "node:assert/strict";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { runChild } from "../../lib/system/process.ts";
import { AUDIENCE, CLIENT_ID } from "../support/oauth_client.ts";
import { OriginSite } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { privateAuthority } from "../support/private_authority.ts";
import { startTlsProxy } from "../support/tls_proxy.ts";

const python = peerPath("requests_oauthlib");
const openssl = peerPath("openssl");
const CLIENT = join(import.meta.dirname ?? "", "../../tools/peers/platform_client.py");

/** Signs in, and checks what the client was told. */
async function signIn(base: string, { email, password }: OriginSite["admin"], env: Record<string, string> = {}) {
  const { exitCode, stdout, stderr } = await runChild(python ?? "", {
    args: [CLIENT, base, email, AUDIENCE, CLIENT_ID],
    env: { PASSWORD: password, ...env },
    signal: AbortSignal.timeout(30_000),
  });
  assert.equal(exitCode, 0, stderr);
  const { token, refreshed, bad, device, pending, me, health } = JSON.parse(new TextDecoder().decode(stdout));
  const { iss, aud } = decodeJwt(token.access_token);
  assert.deepEqual([iss, aud], [`${base}/`, [AUDIENCE]]);
  assert.deepEqual([refreshed.status, refreshed.scope], [200, "offline_access"]);
  assert.notEqual(refreshed.refresh_token, token.refresh_token);
  assert.deepEqual([bad.status, bad.error], [400, "invalid_grant"]);
  assert.equal(device.interval, 5);
  assert.ok(device.verification_uri_complete.startsWith(`${base}/device?user_code=`));
  assert.equal(pending.error, "authorization_pending");
  assert.deepEqual([me.status, me.user.email, health.status], [200, email, "UP"]);
  const { organization } = me;
  const services = Object.entries(organization).filter(([name]) => name.startsWith("aignostics_"));
  assert.equal(services.length, 6);
  for (const [name, value] of services) assert.equal(typeof value, "string", name);
  assert.equal(decodeJwt(refreshed.access_token).org_id, organization.id);
}

Deno.test({
  name: "requests-oauthlib signs in at the issuer in the form of the platform's own client, and calls the platform",
  ignore: python === undefined,
  async fn() {
    await using site = await OriginSite.start();
    await signIn(site.url, site.admin);
  },
});

Deno.test({
  name: "requests-oauthlib signs in over TLS, with the certificate of a private authority, through the origin's proxy",
  ignore: python === undefined || openssl === undefined,
  async fn() {
    await using authority = await privateAuthority(openssl ?? "");
    await using proxy = startTlsProxy(authority);
    await using site = await OriginSite.start({ publicUrl: proxy.url });
    proxy.forwardTo(site.url);
    await signIn(proxy.url.origin, site.admin, { REQUESTS_CA_BUNDLE: authority.caFile });
  },
});
