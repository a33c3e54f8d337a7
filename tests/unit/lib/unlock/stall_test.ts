import assert from "node:assert/strict";
import { whileMoving } from "../../../../lib/unlock/stall.ts";
import { testClock } from "../../../support/test_clock.ts";

const LIMIT_MS = 60_000;
const stalled = () => new Error("it stands still");

/** Work that ends when it is aborted. */
function hanging(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
}

Deno.test("whileMoving() aborts work that stands still for the limit", async () => {
  const clock = testClock();
  const work = whileMoving(hanging, { clock, limitMs: LIMIT_MS, signal: new AbortController().signal, stalled });
  await assert.rejects(work, /it stands still/);
  assert.deepEqual(clock.sleeps, [LIMIT_MS]);
});

Deno.test("whileMoving() counts from the last move", async () => {
  let move = () => {};
  let sleeps = 0;
  const clock = testClock(() => {
    if (++sleeps === 1) move();
  });
  const work = (signal: AbortSignal, moved: () => void) => {
    move = moved;
    return hanging(signal);
  };
  await assert.rejects(
    whileMoving(work, { clock, limitMs: LIMIT_MS, signal: new AbortController().signal, stalled }),
    /it stands still/,
  );
  assert.deepEqual(clock.sleeps, [LIMIT_MS, LIMIT_MS]);
});

Deno.test("whileMoving() passes results, errors and the caller's abort through", async () => {
  const clock = { now: () => 0, sleep: (_delayMs: number, signal?: AbortSignal) => hanging(signal ?? never) };
  const never = new AbortController().signal;
  const options = { clock, limitMs: LIMIT_MS, signal: never, stalled };
  assert.equal(await whileMoving(() => Promise.resolve(7), options), 7);
  await assert.rejects(whileMoving(() => Promise.reject(new Error("its own")), options), /its own/);
  const caller = new AbortController();
  const work = whileMoving(hanging, { ...options, signal: caller.signal });
  caller.abort();
  await assert.rejects(work, /aborted/);
});

Deno.test("whileMoving() is not moved by a clock that is set", async () => {
  for (const jumpMs of [-3600_000, 3600_000, 10 * 365 * 24 * 3600_000, -10 * 365 * 24 * 3600_000]) {
    let move = () => {};
    let sleeps = 0;
    const clock = testClock(() => {
      if (++sleeps !== 1) return;
      move();
      clock.advance(jumpMs);
    });
    const work = (signal: AbortSignal, moved: () => void) => {
      move = moved;
      return hanging(signal);
    };
    const signal = new AbortController().signal;
    await assert.rejects(whileMoving(work, { clock, limitMs: LIMIT_MS, signal, stalled }), /it stands still/);
    assert.deepEqual(clock.sleeps, [LIMIT_MS, LIMIT_MS], String(jumpMs));
  }
});
