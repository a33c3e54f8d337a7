import assert from "node:assert/strict";
import { type DevicePrompt, signInWithDevice } from "../../../../lib/auth/device_flow.ts";
import { findIssuer } from "../../../../lib/auth/issuer.ts";
import { ConfigurationError, NotSignedInError } from "../../../../lib/errors.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import { testClock } from "../../../support/test_clock.ts";
import { settingsFrom, TestIssuer } from "../../../support/test_issuer.ts";

const DEVICE_GRANT = "POST /token urn:ietf:params:oauth:grant-type:device_code";
const http = httpClient("issuer");

async function signIn(
  issuer: TestIssuer,
  { signal = new AbortController().signal, variables = {}, onSleep = () => {} }: {
    signal?: AbortSignal;
    variables?: Record<string, string | undefined>;
    onSleep?: (delayMs: number) => void;
  } = {},
) {
  const all = Object.entries({ ...issuer.variables("unused"), ...variables });
  const settings = settingsFrom(Object.fromEntries(all.flatMap(([name, value]) => value ? [[name, value]] : [])));
  const clock = testClock(onSleep);
  const prompts: DevicePrompt[] = [];
  const found = await findIssuer(settings, { http, signal });
  const retry = { attempts: 1, baseDelayMs: 0, maxDelayMs: 0 };
  const deps = {
    http,
    clock,
    retry,
    timeoutMs: 5_000,
    showPrompt: (prompt: DevicePrompt) => void prompts.push(prompt),
  };
  const grant = signInWithDevice(found, settings, deps, signal);
  return { clock, prompts, grant };
}

Deno.test("signInWithDevice() shows code and address, and asks as often as the issuer says", async () => {
  await using issuer = await TestIssuer.start();
  issuer.deviceAnswer = { interval: 7, expires_in: 900 };
  issuer.pollErrors = ["authorization_pending", "slow_down", "authorization_pending", "slow_down"];
  const { clock, prompts, grant } = await signIn(issuer);
  assert.equal((await grant).clientId, "test-client");
  assert.deepEqual(clock.sleeps, [7_000, 7_000, 12_000, 12_000, 17_000]);
  assert.deepEqual(prompts, [{
    userCode: "ABCD-EFGH",
    verificationUrl: `${issuer.url}activate?user_code=ABCD-EFGH`,
    expiresInMs: 900_000,
  }]);
  assert.deepEqual(issuer.forms[0], {
    client_id: "test-client",
    scope: "offline_access",
    audience: "https://platform.example.com",
  });
  assert.equal(issuer.forms[1]?.device_code, "device-code");
});

Deno.test("signInWithDevice() takes five seconds, and the plain address, where the issuer offers no more", async () => {
  await using issuer = await TestIssuer.start();
  issuer.deviceAnswer = { expires_in: 60, verification_uri_complete: undefined };
  const { clock, prompts, grant } = await signIn(issuer);
  await grant;
  assert.deepEqual(clock.sleeps, [5_000]);
  assert.equal(prompts[0]?.verificationUrl, `${issuer.url}activate`);
});

Deno.test("signInWithDevice() ends when the code has expired, by the clock or by the issuer's word", async () => {
  await using issuer = await TestIssuer.start();
  issuer.deviceAnswer = { interval: 5, expires_in: 20 };
  issuer.pollErrors = Array(100).fill("authorization_pending");
  const { clock, grant } = await signIn(issuer);
  await assert.rejects(grant, /the code has expired/);
  assert.equal(clock.sleeps.length, 4);
  issuer.pollErrors = ["expired_token"];
  await assert.rejects((await signIn(issuer)).grant, /the code has expired/);
});

Deno.test("signInWithDevice() never asks without a pause, however long an issuer tells it to wait", async () => {
  await using issuer = await TestIssuer.start();
  issuer.deviceAnswer = { interval: 1e300, expires_in: 1e300 };
  issuer.pollErrors = Array(100).fill("authorization_pending");
  const { clock, prompts, grant } = await signIn(issuer);
  await assert.rejects(grant, /the code has expired/);
  assert.deepEqual(clock.sleeps, [3_600_000]);
  assert.equal(prompts[0]?.expiresInMs, 3_600_000);
  assert.ok(!issuer.calls.includes(DEVICE_GRANT), "it asked");
});

Deno.test("signInWithDevice() ends when the person says no", async () => {
  await using issuer = await TestIssuer.start();
  issuer.pollErrors = ["authorization_pending", "access_denied"];
  await assert.rejects((await signIn(issuer)).grant, (error) => {
    assert.ok(error instanceof NotSignedInError);
    assert.match(error.message, /"access_denied"/);
    return true;
  });
});

Deno.test("signInWithDevice() asks half as often while the issuer is away, and goes on", async () => {
  await using issuer = await TestIssuer.start();
  issuer.deviceAnswer = { interval: 1, expires_in: 900 };
  let sleeps = 0;
  const onSleep = () => {
    sleeps++;
    issuer.isAway = sleeps > 1 && sleeps < 4;
  };
  issuer.pollErrors = ["authorization_pending"];
  const { clock, grant } = await signIn(issuer, { onSleep });
  await grant;
  assert.deepEqual(clock.sleeps, [1_000, 1_000, 2_000, 4_000]);
});

Deno.test("signInWithDevice() ends when its caller stops", async () => {
  await using issuer = await TestIssuer.start();
  const stop = new AbortController();
  issuer.pollErrors = Array(10).fill("authorization_pending");
  const onSleep = () => stop.abort(new Error("stopped"));
  await assert.rejects((await signIn(issuer, { signal: stop.signal, onSleep })).grant);
  assert.ok(issuer.count(DEVICE_GRANT) <= 1);
});

Deno.test("signInWithDevice() says which setting is missing", async () => {
  await using issuer = await TestIssuer.start();
  const { grant } = await signIn(issuer, { variables: { AIGNOSTICS_CLIENT_ID_DEVICE: undefined } });
  await assert.rejects(grant, (error) => {
    assert.ok(error instanceof ConfigurationError);
    assert.match(error.message, /AIGNOSTICS_CLIENT_ID_DEVICE is not set/);
    return true;
  });
});

Deno.test("signInWithDevice() tells a client that the issuer does not know from a person who says no", async () => {
  await using issuer = await TestIssuer.start();
  for (const error of ["invalid_client", "unauthorized_client"]) {
    issuer.pollErrors = [error];
    await assert.rejects((await signIn(issuer)).grant, ConfigurationError);
  }
});
