import assert from "node:assert/strict";
import { BusyError } from "../../../../lib/errors.ts";
import { Places } from "../../../../lib/system/places.ts";

const LONG_MS = 60_000;

Deno.test("Places.take() gives places in the order in which they were asked for", async () => {
  const places = new Places({ places: 2, waiting: 10, waitMs: LONG_MS });
  const [first, second] = [await places.take(), await places.take()];
  const order: string[] = [];
  const third = places.take().then((giveBack) => [order.push("third"), giveBack] as const);
  const fourth = places.take().then((giveBack) => [order.push("fourth"), giveBack] as const);
  first();
  first(); // counts once
  const [, giveBackThird] = await third;
  assert.deepEqual(order, ["third"]);
  second();
  const [, giveBackFourth] = await fourth;
  assert.deepEqual(order, ["third", "fourth"]);
  giveBackThird();
  giveBackFourth();
  await Promise.all([places.take(), places.take()]);
});

Deno.test("Places.take() refuses at once when enough wait, and says when to come again", async () => {
  const places = new Places({ places: 1, waiting: 1, waitMs: LONG_MS });
  const giveBack = await places.take();
  const waiting = places.take();
  await assert.rejects(places.take(), (error: unknown) => {
    assert.ok(error instanceof BusyError);
    assert.deepEqual([error.code, error.retryAfterSeconds], ["busy", 15]);
    return true;
  });
  giveBack();
  (await waiting)();
});

Deno.test("Places.take() does not wait for ever", async () => {
  const places = new Places({ places: 1, waiting: 1, waitMs: 5 });
  const giveBack = await places.take();
  await assert.rejects(places.take(), { code: "busy" });
  giveBack();
  (await places.take())();
});

Deno.test("Places.take() forgets who does not wait any longer", async () => {
  const places = new Places({ places: 1, waiting: 1, waitMs: LONG_MS });
  const giveBack = await places.take();
  const gone = new AbortController();
  const abandoned = places.take(gone.signal);
  gone.abort();
  await assert.rejects(abandoned, { code: "interrupted" });
  const next = places.take(); // its place in the queue is free
  giveBack();
  (await next)();
  await assert.rejects(places.take(AbortSignal.abort()), { code: "interrupted" });
  (await places.take())();
});
