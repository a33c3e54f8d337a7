import assert from "node:assert/strict";
import { join } from "node:path";
import { doctorChecks } from "../../cli/doctor/checks.ts";
import { parseSettings } from "../../lib/config/config.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { startDevice } from "../support/device.ts";
import { peerPath } from "../support/peers.ts";
import { type PrivateAuthority, privateAuthority } from "../support/private_authority.ts";
import { tally } from "../support/tally.ts";

const openssl = peerPath("openssl");
const ignore = openssl === undefined;

async function tlsFlags({ folder, cert, key }: PrivateAuthority) {
  const [certFile, keyFile] = [join(folder, "tls.pem"), join(folder, "tls.key")];
  await Deno.writeTextFile(certFile, cert);
  await Deno.writeTextFile(keyFile, key, { mode: 0o600 });
  return { "tls-cert-file": certFile, "tls-key-file": keyFile };
}

Deno.test("tally reaches a device that speaks TLS, and no other that calls itself so", { ignore }, async () => {
  await using authority = await privateAuthority(openssl ?? "");
  await using device = await startDevice({ flags: await tlsFlags(authority) });
  assert.match(device.url, /^https:/);
  const ask = (env: Record<string, string>) =>
    tally(["status", "--json", "--device-url", `https://localhost:${device.port}`], { env });
  const trusting = await ask({ SSL_CERT_FILE: authority.caFile });
  assert.equal(trusting.exitCode, 0, trusting.stderr);
  assert.equal(JSON.parse(trusting.stdout).authenticated, false);
  const doubting = await ask({});
  assert.equal(doubting.exitCode, 6, doubting.stderr);
  assert.equal(doubting.stdout.includes("authenticated"), false);
});

Deno.test("tally doctor says for how long the certificate is good, and what is wrong with it", { ignore }, async () => {
  await using authority = await privateAuthority(openssl ?? "");
  const flags = await tlsFlags(authority);
  const check = async (more: Record<string, string>, laterDays = 0) => {
    const all = { "resource-api-url": "http://127.0.0.1:1", ...more };
    const settings = parseSettings({ flags: all, environment: () => undefined, file: {} });
    const clock = { ...systemClock, now: () => systemClock.now() + laterDays * 86_400_000 };
    const tls = doctorChecks({ settings, clock, environment: () => undefined }).find(({ name }) => name === "TLS");
    return await tls?.run(new AbortController().signal);
  };
  const soon = await check(flags);
  assert.equal(soon?.status, "warning");
  assert.match(soon?.says ?? "", /DNS:localhost.* ends in 1 days/);
  await assert.rejects(check(flags, 3), /has expired/);
  await assert.rejects(check(flags, -3), /is not valid yet/);
  await Deno.chmod(flags["tls-key-file"], 0o644);
  await assert.rejects(check(flags), /can be read by others/);
  assert.equal((await check({}))?.status, "ok");
  assert.equal((await check({ host: "0.0.0.0" }))?.status, "warning");
  await assert.rejects(check({ "tls-cert-file": flags["tls-cert-file"] }), /belong together: set both or neither/);
});
