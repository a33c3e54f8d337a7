import assert from "node:assert/strict";
import fc from "fast-check";
import { httpClient } from "../../../../lib/http/client.ts";
import { limitedClient, limitedStream, parseRate, RateLimit } from "../../../../lib/http/rate_limit.ts";
import { consume, streamOf } from "../../../../lib/streams.ts";
import { keystream } from "../../../support/keystream.ts";
import { rangeServer } from "../../../support/range_server.ts";
import { testClock } from "../../../support/test_clock.ts";

Deno.test("parseRate() reads what curl does, and refuses what is no rate", () => {
  assert.deepEqual(["1024", "500K", "2M", "1.5m", "1G"].map(parseRate), [1024, 512_000, 2_097_152, 1_572_864, 2 ** 30]);
  for (const wrong of ["", "0", "1", "1023", "-1M", "2MB", "2 M", "1e9", "NaN", "1.2345M", "10101010.5G", "fast"]) {
    assert.throws(() => parseRate(wrong), /^Error: must be bytes a second/, wrong);
  }
});

Deno.test("RateLimit keeps the rate within 5 %, for one stream and for several together", async () => {
  for (const bytesPerSecond of [10_000, 2 * 1024 ** 2, 50 * 1024 ** 2]) {
    for (const streams of [1, 3]) {
      const clock = testClock();
      const limit = new RateLimit(bytesPerSecond, clock);
      const size = bytesPerSecond * 4;
      const startMs = clock.now();
      let seen = 0;
      const pass = () =>
        consume(limitedStream(streamOf(new Uint8Array(size)), limit), (chunk) => void (seen += chunk.length));
      for (let index = 0; index < streams; index++) await pass();
      const rate = seen / ((clock.now() - startMs) / 1000);
      assert.equal(seen, size * streams);
      assert(Math.abs(rate / bytesPerSecond - 1) < 0.05, `${rate} instead of ${bytesPerSecond} bytes a second`);
    }
  }
});

Deno.test("RateLimit makes no more than a tenth of a second up after a silence", async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: 100_000 }), async (silenceMs) => {
    const clock = testClock();
    const limit = new RateLimit(1000, clock);
    await limit.take(1000);
    clock.advance(silenceMs);
    const startMs = clock.now();
    await limit.take(1000);
    assert(clock.now() - startMs >= 900);
  }));
});

Deno.test("limitedStream() gives its source back when its reader or the signal ends the wait", async () => {
  const clock = testClock();
  const reasons: unknown[] = [];
  const source = new ReadableStream({ type: "bytes", cancel: (reason) => void reasons.push(reason) });
  await limitedStream(source, new RateLimit(1024, clock)).cancel("enough");
  assert.deepEqual(reasons, ["enough"]);
  const stopped = limitedStream(streamOf(new Uint8Array(9000)), new RateLimit(1024, clock), AbortSignal.abort("stop"));
  await assert.rejects(consume(stopped, () => {}), /stop/);
});

Deno.test("limitedClient() holds for what is sent and what comes", async () => {
  await using server = rangeServer();
  server.files.set("file", { bytes: keystream("limited", 300_000) });
  const clock = testClock();
  const client = limitedClient(httpClient("CDN"), new RateLimit(100_000, clock));
  const startMs = clock.now();
  const answer = await client(new URL("file", server.url));
  let seen = 0;
  await consume(answer.body, (chunk) => void (seen += chunk.length));
  assert.equal(seen, 300_000);
  assert(Math.abs((clock.now() - startMs) / 3000 - 1) < 0.05);
  const sentMs = clock.now();
  const put = await client(new URL("file", server.url), { method: "PUT", body: new Uint8Array(200_000) });
  await put.body.cancel();
  assert(Math.abs((clock.now() - sentMs) / 2000 - 1) < 0.06);
});

Deno.test("RateLimit waits no longer when the clock is set back, by an hour or ten years", async () => {
  for (const backMs of [3600_000, 10 * 365 * 24 * 3600_000]) {
    const clock = testClock();
    const limit = new RateLimit(1000, clock);
    await limit.take(1000);
    clock.advance(-backMs);
    await limit.take(1000);
    await limit.take(1000);
    assert(clock.sleeps.slice(1).every((ms) => ms <= 1000), clock.sleeps.join());
    assert(clock.sleeps.slice(1).reduce((sum, ms) => sum + ms, 0) >= 1800, clock.sleeps.join());
  }
});
