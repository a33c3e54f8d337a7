import assert from "node:assert/strict";
import { HttpStore } from "../../../../lib/cdn/http.ts";
import { S3Store } from "../../../../lib/cdn/s3.ts";
import type { ObjectStore } from "../../../../lib/cdn/store.ts";
import { Secret } from "../../../../lib/config/secret.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import type { Clock } from "../../../../lib/system/clock.ts";
import { testClock } from "../../../support/test_clock.ts";

const KEY = { id: new Secret("reader"), secret: new Secret("readersecret1") };

type OpenStore = (endpoint: URL, clock: Clock) => ObjectStore | Promise<ObjectStore>;

const STORES: Readonly<Record<string, OpenStore>> = {
  HttpStore: (baseUrl, clock) => new HttpStore({ kind: "http", baseUrl }, { http: httpClient("CDN"), clock }),
  S3Store: (endpoint, clock) =>
    S3Store.open({ kind: "s3", endpoint, region: "us-east-1", downloader: KEY }, { http: httpClient("CDN"), clock }),
};

for (const [name, open] of Object.entries(STORES)) {
  Deno.test(`${name} waits as long as Retry-After asks, and tells whoever asks again`, async () => {
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      await request.body?.cancel();
      return new Response(null, { status: 503, headers: { "retry-after": "2" } });
    });
    const clock = testClock();
    const store = await open(new URL(`http://127.0.0.1:${server.addr.port}/`), clock);
    await assert.rejects(store.get("models", "a.big"), { code: "unavailable", retryAfterMs: 2_000 });
    assert.deepEqual(clock.sleeps, [2_000, 2_000]);
  });
}
