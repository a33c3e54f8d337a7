import assert from "node:assert/strict";
import { stillHolds, systemClock } from "../../../../lib/system/clock.ts";

Deno.test("systemClock.now() is the time of the machine in milliseconds", () => {
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 1000);
});

Deno.test("systemClock.sleep() ends in time and leaves no timer behind", async () => {
  const startMs = performance.now();
  await systemClock.sleep(30, new AbortController().signal);
  assert.ok(performance.now() - startMs >= 29);
});

Deno.test("systemClock.sleep() rejects with the reason of its signal, at once", async () => {
  const reason = new Error("stopped");
  await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort(reason)), reason);
  const stop = new AbortController();
  const sleep = systemClock.sleep(60_000, stop.signal);
  stop.abort(reason);
  await assert.rejects(sleep, reason);
});

Deno.test("stillHolds() ends when the time is over, and when the clock was set back", () => {
  assert.deepEqual([0, 1, 99, 100, 101].map((nowMs) => stillHolds(100, 100, nowMs)), [true, true, true, false, false]);
  for (const backMs of [1, 3600_000, 10 * 365 * 24 * 3600_000]) assert.equal(stillHolds(100, 100, -backMs), false);
});
