import assert from "node:assert/strict";
import { join } from "node:path";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { backupOrigin } from "../../origin/backup.ts";
import { restoreOrigin } from "../../origin/restore.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import { CLIENT_ID, postForm, REDIRECT_URI, refresh, signInByBrowser } from "../support/oauth_client.ts";
import { OriginSite, PASSWORD } from "../support/origin_site.ts";
import { tally } from "../support/tally.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { shiftedClock } from "../support/shifted_clock.ts";

const DAY_MS = 24 * 3600_000;

function callerStatus(site: OriginSite, token: string): Promise<number> {
  return site.call("GET", "/api/v1/me", { token }).then(({ status }) => status);
}

Deno.test("issuer: a refresh token is exchanged at each use, and one that comes again ends the whole sign-in", async () => {
  await using site = await OriginSite.start();
  const first = await signInByBrowser(site);
  const other = await signInByBrowser(site);
  const second = await refresh(site, first.refresh_token);
  assert.equal(second.status, 200, JSON.stringify(second));
  assert.equal(second.scope, "offline_access");
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal(await callerStatus(site, second.access_token), 200);

  assert.equal((await refresh(site, first.refresh_token)).error, "invalid_grant");
  assert.equal((await refresh(site, second.refresh_token)).error, "invalid_grant", "the thief's or the owner's");
  assert.equal(await callerStatus(site, second.access_token), 401);
  assert.equal(await callerStatus(site, other.access_token), 200, "another sign-in goes on");
  assert.equal((await refresh(site, other.refresh_token)).status, 200);
});

Deno.test("issuer: a refresh token that two use at the same time gives at most one answer", async () => {
  await using site = await OriginSite.start();
  const { refresh_token } = await signInByBrowser(site);
  const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(site, refresh_token)));
  assert.ok(answers.filter(({ status }) => status === 200).length <= 1, JSON.stringify(answers));
});

Deno.test("issuer: a refresh token is for its client, and a wrong one is a 4xx", async () => {
  await using site = await OriginSite.start();
  await ORIGIN_COMMANDS["client add"]({ dataDir: site.dataDir, id: "other", name: "Other", redirectUris: [] });
  const { refresh_token } = await signInByBrowser(site);
  for (
    const answer of [await refresh(site, refresh_token, "other"), await refresh(site, "x"), await refresh(site, "")]
  ) {
    assert.ok(answer.status >= 400 && answer.status < 500, JSON.stringify(answer));
    assert.equal(answer.access_token, undefined);
  }
  assert.equal((await refresh(site, refresh_token)).status, 200);
});

Deno.test("issuer: revoking a refresh token ends its access tokens at the origin at once, and no others", async () => {
  await using site = await OriginSite.start();
  const [gone, kept] = [await signInByBrowser(site), await signInByBrowser(site)];
  const revoke = (token = "", client_id = CLIENT_ID) => postForm(site, "/oauth/revoke", { token, client_id });
  assert.equal((await revoke("no such token")).status, 200, "RFC 7009, 2.2");
  await ORIGIN_COMMANDS["client add"]({ dataDir: site.dataDir, id: "other", name: "Other", redirectUris: [] });
  await revoke(gone.refresh_token, "other");
  assert.equal(await callerStatus(site, gone.access_token), 200, "another client revokes nothing");
  assert.equal((await revoke(gone.refresh_token)).status, 200);
  assert.equal((await refresh(site, gone.refresh_token)).error, "invalid_grant");
  assert.equal(await callerStatus(site, gone.access_token), 401);
  assert.equal((await site.call("GET", "/users/current", { token: gone.access_token })).status, 401);
  assert.equal(await callerStatus(site, kept.access_token), 200);
});

Deno.test("issuer: tokens end when they expire, and a sign-in that is used goes on", async () => {
  const clock = shiftedClock();
  await using site = await OriginSite.start({ clock });
  const { access_token, refresh_token } = await signInByBrowser(site);
  assert.equal(await callerStatus(site, access_token), 200);
  clock.advance(3601_000);
  assert.equal(await callerStatus(site, access_token), 401);
  clock.advance(20 * DAY_MS);
  const second = await refresh(site, refresh_token);
  assert.equal(second.status, 200);
  clock.advance(20 * DAY_MS);
  const third = await refresh(site, second.refresh_token);
  assert.equal(third.status, 200, "thirty days count from the last use");
  clock.advance(31 * DAY_MS);
  assert.equal((await refresh(site, third.refresh_token)).error, "invalid_grant");
});

Deno.test("issuer: a disabled account and a removed client get nothing more", async () => {
  await using site = await OriginSite.start();
  const { email } = await site.user("Operator");
  const signedIn = await signInByBrowser(site, { email, password: PASSWORD });
  const token = await site.adminToken();
  await site.call("PUT", `/users/${email}/disable`, { token });
  assert.equal(await callerStatus(site, signedIn.access_token), 401);
  assert.equal((await refresh(site, signedIn.refresh_token)).error, "invalid_grant");
  await site.call("PUT", `/users/${email}/enable`, { token });
  const again = await refresh(site, signedIn.refresh_token);
  assert.equal(again.status, 200);
  assert.equal(await callerStatus(site, again.access_token), 200);

  const client = { id: "desktop", name: "Desktop", redirectUris: [REDIRECT_URI] };
  await ORIGIN_COMMANDS["client add"]({ dataDir: site.dataDir, ...client });
  await ORIGIN_COMMANDS["client remove"]({ dataDir: site.dataDir, id: CLIENT_ID });
  assert.ok([400, 401].includes((await refresh(site, again.refresh_token)).status));
  assert.equal(await callerStatus(site, again.access_token), 401);
});

Deno.test("issuer: rotate-keys signs with a new key at once, and the old one verifies until its tokens have expired", async () => {
  const clock = shiftedClock();
  await using site = await OriginSite.start({ clock });
  const before = await signInByBrowser(site);
  const kids = async () => {
    const { keys } = (await site.call("GET", "/.well-known/jwks.json")).json<{ keys: { kid: string; d?: string }[] }>();
    assert.ok(keys.every(({ d }) => d === undefined));
    return keys.map(({ kid }) => kid);
  };
  const { issuerKid = "" } = await ORIGIN_COMMANDS["rotate-keys"]({ dataDir: site.dataDir });
  const after = await refresh(site, before.refresh_token);
  assert.equal(decodeProtectedHeader(after.access_token).kid, issuerKid);
  assert.equal(await callerStatus(site, before.access_token), 200);
  assert.equal(await callerStatus(site, after.access_token), 200);
  const oldKid = String(decodeProtectedHeader(before.access_token).kid);
  const published = createLocalJWKSet((await site.call("GET", "/.well-known/jwks.json")).json());
  await jwtVerify(before.access_token, published);
  await jwtVerify(after.access_token, published);
  clock.advance(3601_000);
  assert.ok(!(await kids()).includes(oldKid));
  assert.ok((await kids()).includes(issuerKid));
});

Deno.test("issuer: tokens and consents outlive a restart", async () => {
  await using site = await OriginSite.start();
  const port = Number(new URL(site.url).port);
  const { access_token, refresh_token } = await signInByBrowser(site);
  await site.stop();
  await site.serve({ port });
  assert.equal(await callerStatus(site, access_token), 200);
  assert.equal((await refresh(site, refresh_token)).status, 200);
});

Deno.test("tally origin user sign-out ends all sign-ins of one account, and of no other", async () => {
  await using site = await OriginSite.start();
  const { email } = await site.user("Operator");
  const lost = await signInByBrowser(site, { email, password: PASSWORD });
  const kept = await signInByBrowser(site);
  const { exitCode, stderr } = await tally(["origin", "user", "sign-out", email, "--data-dir", site.dataDir]);
  assert.equal(exitCode, 0, stderr);
  assert.equal(await callerStatus(site, lost.access_token), 401);
  assert.equal((await refresh(site, lost.refresh_token)).error, "invalid_grant");
  assert.equal(await callerStatus(site, kept.access_token), 200);
  assert.equal((await refresh(site, kept.refresh_token)).status, 200);
  const nobody = await tally(["origin", "user", "sign-out", "nobody@example.com", "--data-dir", site.dataDir]);
  assert.equal(nobody.exitCode, 5);
});

Deno.test("issuer: a backup brings back clients, keys, accounts' organisations and sign-ins", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  const port = Number(new URL(site.url).port);
  await ORIGIN_COMMANDS["organization add"]({ dataDir: site.dataDir, name: "acme" });
  const root = { dataDir: site.dataDir, email: site.admin.email };
  await ORIGIN_COMMANDS["user move"]({ ...root, organization: "acme", organizationRole: "member" });
  await ORIGIN_COMMANDS["client add"]({ dataDir: site.dataDir, id: "other", name: "Other", redirectUris: [] });
  const before = await signInByBrowser(site);
  const out = join(folder.path, "origin.tar");
  const { signal } = new AbortController();
  await backupOrigin({ dataDir: site.dataDir, out, signal });
  const restored = join(folder.path, "restored");
  await restoreOrigin({ from: out, dataDir: restored, signal });
  await site.stop();
  await Deno.remove(site.dataDir, { recursive: true });
  await Deno.rename(restored, site.dataDir);
  await site.serve({ port });
  assert.equal(await callerStatus(site, before.access_token), 200);
  const after = await refresh(site, before.refresh_token);
  assert.equal(decodeProtectedHeader(after.access_token).kid, decodeProtectedHeader(before.access_token).kid);
  const me = await site.call("GET", "/api/v1/me", { token: after.access_token });
  assert.equal(me.json<{ organization: { name: string } }>().organization.name, "acme");
  assert.deepEqual(
    (await ORIGIN_COMMANDS["client list"]({ dataDir: site.dataDir })).map(({ id }) => id),
    ["other", "tallystick-cli"],
  );
});
