import assert from "node:assert/strict";
import { InterruptedError } from "../../../../lib/errors.ts";
import { clientOf } from "../../../support/platform_client.ts";
import { refusal, SmallPlatform } from "../../../support/small_platform.ts";

const SAID: Readonly<Record<string, [answer: () => Response, status: string, reason: RegExp]>> = {
  "DEGRADED": [() => Response.json({ status: "DEGRADED", reason: "slow disk" }), "DEGRADED", /^slow disk$/],
  "an unknown word": [() => Response.json({ status: "SIDEWAYS" }), "DOWN", /does not say that it is up/],
  "a web page": [() => new Response("<html>"), "DOWN", /does not say that it is up/],
  "status 503": [() => refusal(503, "x"), "DOWN", /answers with status 503/],
  "a redirect": [() => Response.redirect("https://elsewhere.example/"), "DOWN", /redirects/],
};

for (const [what, [answer, status, reason]] of Object.entries(SAID)) {
  Deno.test(`Client.health() is DEGRADED, and its public part ${status}, when the API answers with ${what}`, async () => {
    await using platform = new SmallPlatform();
    platform.intercept = ({ target }) => target === "/health" ? answer() : undefined;
    const health = await clientOf(platform).health();
    assert.equal(health.status, "DEGRADED");
    assert.match(health.reason ?? "", reason);
    assert.equal(health.components.api_public.status, status);
    assert.equal(health.components.api_authenticated.status, "UP");
  });
}

Deno.test("Client.health() is UP with both latencies, and asks each once", async () => {
  await using platform = new SmallPlatform();
  const { status, reason, components } = await clientOf(platform).health();
  assert.equal(status, "UP");
  assert.equal(reason, null);
  for (const { latency_ms } of Object.values(components)) assert.ok(latency_ms >= 0);
  assert.deepEqual(platform.calls.toSorted(), ["GET /health", "GET /me"]);
  assert.ok(platform.requests.every(({ target, headers }) => headers.has("authorization") === target.endsWith("/me")));
});

Deno.test("Client.health() is DEGRADED, not DOWN, when only the token is refused, and says so", async () => {
  await using platform = new SmallPlatform();
  const { status, components } = await clientOf(platform, { tokenProvider: () => Promise.resolve("old") }).health();
  assert.equal(status, "DEGRADED");
  assert.equal(components.api_authenticated.code, "not_signed_in");
});

Deno.test("Client.health() is DOWN when nobody listens, and ends with its signal", async () => {
  const platform = new SmallPlatform();
  await platform[Symbol.asyncDispose]();
  const client = clientOf(platform);
  const { status, components } = await client.health();
  assert.equal(status, "DOWN");
  assert.equal(components.api_public.code, "unavailable");
  await assert.rejects(client.health({ signal: AbortSignal.abort() }), InterruptedError);
});
