import assert from "node:assert/strict";
import { startDevice } from "../../support/device.ts";
import { assertProblem } from "../../support/problem.ts";

const APP = "https://app.example.com";
const PREFLIGHT = { "access-control-request-method": "POST", "access-control-request-headers": "content-type" };

/** Headers of an answer that tell a browser what a page may do. */
function allowances({ headers }: Response): string[] {
  return [...headers.keys()].filter((name) => name.startsWith("access-control-"));
}

Deno.test("without CORS_ORIGINS no page is told that it may call the device", async () => {
  await using device = await startDevice();
  const preflight = await fetch(`${device.url}/login`, { method: "OPTIONS", headers: { origin: APP, ...PREFLIGHT } });
  assert.deepEqual(allowances(preflight), []);
  await assertProblem(preflight, 405, "method_not_allowed");
  for (const path of ["/health", "/status", "/nothing"]) {
    const answer = await fetch(device.url + path, { headers: { origin: APP } });
    assert.deepEqual(allowances(answer), [], path);
    await answer.body?.cancel();
  }
});

Deno.test("CORS_ORIGINS lets pages of exactly these origins call the device", async () => {
  await using device = await startDevice({ flags: { "cors-origins": `${APP},http://localhost:3000` } });
  await device.signIn("Operator");
  for (const origin of [APP, "http://localhost:3000"]) {
    const headers = { origin, ...PREFLIGHT, "access-control-request-private-network": "true" };
    const preflight = await fetch(`${device.url}/logout`, { method: "OPTIONS", headers });
    assert.deepEqual([preflight.status, await preflight.text()], [204, ""]);
    assert.equal(preflight.headers.get("access-control-allow-origin"), origin);
    assert.match(preflight.headers.get("access-control-allow-methods") ?? "", /POST/);
    assert.match(preflight.headers.get("access-control-allow-headers") ?? "", /Authorization, Content-Type/);
    assert.equal(preflight.headers.get("access-control-allow-private-network"), "true");
    assert.equal(preflight.headers.get("access-control-allow-credentials"), null);
    for (const path of ["/health", "/status", "/nothing"]) {
      const answer = await fetch(device.url + path, { headers: { origin, "sec-fetch-site": "cross-site" } });
      assert.equal(answer.headers.get("access-control-allow-origin"), origin, path);
      assert.equal(answer.headers.get("vary"), "Origin", path);
      await answer.body?.cancel();
    }
  }
  const headers = { origin: APP, "sec-fetch-site": "cross-site" };
  const answer = await fetch(`${device.url}/logout`, { method: "POST", headers });
  assert.deepEqual(await answer.json(), { status: "ok" });
});

const OTHERS = [
  "https://evil.example",
  "null",
  "http://app.example.com",
  `${APP}:8443`,
  "https://x.app.example.com",
  `${APP}.evil.example`,
  "HTTPS://APP.EXAMPLE.COM",
];
Deno.test("CORS_ORIGINS lets no other page call the device, however much it looks like one", async () => {
  await using device = await startDevice({ flags: { "cors-origins": APP } });
  await device.signIn("Operator");
  for (const origin of OTHERS) {
    const preflight = await fetch(`${device.url}/logout`, { method: "OPTIONS", headers: { origin, ...PREFLIGHT } });
    assert.deepEqual(allowances(preflight), [], origin);
    await assertProblem(preflight, 403, "not_allowed", origin);
    const answer = await fetch(`${device.url}/logout`, { method: "POST", headers: { origin } });
    assert.deepEqual(allowances(answer), [], origin);
    await assertProblem(answer, 403, "not_allowed", origin);
  }
  assert.equal(device.services.session.user()?.role, "Operator");
});
