import assert from "node:assert/strict";
import { IntegrityError, UnavailableError, UpstreamTimeoutError } from "../../../../lib/errors.ts";
import { isTransient, type RetryPolicy, withRetry } from "../../../../lib/http/retry.ts";
import { testClock } from "../../../support/test_clock.ts";

const policy: RetryPolicy = { attempts: 4, baseDelayMs: 100, maxDelayMs: 250 };
const away = new UnavailableError("API", "away");
const longest = () => 0.999999;

Deno.test("isTransient() holds for what may pass by itself, and for nothing else", () => {
  assert.ok(isTransient(away));
  assert.ok(isTransient(new UpstreamTimeoutError("CDN", "silent")));
  assert.ok(!isTransient(new IntegrityError("cut")));
  assert.ok(!isTransient(new TypeError("fetch failed")));
});

Deno.test("withRetry() gives the first success and counts the attempts", async () => {
  const attempts: number[] = [];
  const result = await withRetry((attempt) => {
    attempts.push(attempt);
    return attempt < 3 ? Promise.reject(away) : Promise.resolve("done");
  }, { policy, clock: testClock() });
  assert.equal(result, "done");
  assert.deepEqual(attempts, [1, 2, 3]);
});

Deno.test("withRetry() doubles its pauses up to the longest, and throws the last error", async () => {
  const clock = testClock();
  let calls = 0;
  await assert.rejects(
    withRetry(() => Promise.reject(new UnavailableError("API", `call ${++calls}`)), { policy, clock, random: longest }),
    /call 4/,
  );
  assert.deepEqual(clock.sleeps.map(Math.ceil), [100, 200, 250]);
});

Deno.test("withRetry() spreads its pauses over the whole span", async () => {
  const clock = testClock();
  const call = () => Promise.reject(away);
  await assert.rejects(withRetry(call, { policy, clock, random: () => 0 }), UnavailableError);
  await assert.rejects(withRetry(call, { policy, clock, random: () => 0.5 }), UnavailableError);
  assert.deepEqual(clock.sleeps, [0, 0, 0, 50, 100, 125]);
});

Deno.test("withRetry() waits as long as the other side asks, but never longer than the longest pause", async () => {
  const clock = testClock();
  const asked = [170, 60_000, Number.NaN];
  const call = () =>
    Promise.reject(Object.assign(new UnavailableError("API", "busy"), { retryAfterMs: asked.shift() }));
  await assert.rejects(withRetry(call, { policy, clock, random: () => 0 }));
  assert.deepEqual(clock.sleeps, [170, 250, 0]);
});

Deno.test("withRetry() does not repeat what will not pass by itself", async () => {
  let calls = 0;
  const call = () => {
    calls++;
    return Promise.reject(new IntegrityError("cut"));
  };
  await assert.rejects(withRetry(call, { policy, clock: testClock() }), IntegrityError);
  assert.equal(calls, 1);
});

Deno.test("withRetry() stops when the signal is aborted: before the next call and within a pause", async () => {
  const stop = new AbortController();
  let calls = 0;
  const call = () => {
    calls++;
    stop.abort();
    return Promise.reject(away);
  };
  await assert.rejects(withRetry(call, { policy, clock: testClock(), signal: stop.signal }), UnavailableError);
  assert.equal(calls, 1);

  const later = new AbortController();
  const reason = new Error("stopped");
  const clock = testClock(() => {
    later.abort(reason);
    throw reason;
  });
  await assert.rejects(withRetry(() => Promise.reject(away), { policy, clock, signal: later.signal }), reason);
});
