import assert from "node:assert/strict";
import { AnswerCache } from "../../../../lib/platform/cache.ts";
import { testClock } from "../../../support/test_clock.ts";

const TTL_MS = 1000;
const answer = (value: unknown, sizeCharacters = 1) => () => Promise.resolve({ value, sizeCharacters });

Deno.test("AnswerCache forgets an answer when its time is over", async () => {
  const clock = testClock();
  const cache = new AnswerCache(clock);
  await cache.fill("a", TTL_MS, answer(1));
  clock.advance(TTL_MS - 1);
  assert.equal(cache.read("a")?.value, 1);
  clock.advance(1);
  assert.equal(cache.read("a"), undefined);
});

Deno.test("AnswerCache keeps nothing with a time of 0", async () => {
  const cache = new AnswerCache(testClock());
  await cache.fill("a", 0, answer(1));
  assert.equal(cache.read("a"), undefined);
});

Deno.test("AnswerCache forgets everything at a write, and what was asked for before it", async () => {
  const cache = new AnswerCache(testClock());
  await cache.fill("old", TTL_MS, answer(1));
  const { promise, resolve } = Promise.withResolvers<{ value: number; sizeCharacters: number }>();
  const filling = cache.fill("late", TTL_MS, () => promise);
  cache.clear();
  resolve({ value: 2, sizeCharacters: 1 });
  assert.equal(await filling, 2);
  assert.equal(cache.read("old"), undefined);
  assert.equal(cache.read("late"), undefined);
});

Deno.test("AnswerCache lets the oldest go when it is full, and does not keep what is too large for it", async () => {
  const cache = new AnswerCache(testClock());
  const third = 6 * 1024 * 1024;
  for (const key of ["a", "b", "c"]) await cache.fill(key, TTL_MS, answer(key, third));
  assert.deepEqual(["a", "b", "c"].map((key) => cache.read(key)?.value), [undefined, "b", "c"]);
  await cache.fill("huge", TTL_MS, answer("huge", 17 * 1024 * 1024));
  assert.equal(cache.read("huge"), undefined);
  assert.equal(cache.read("c")?.value, "c");
});

Deno.test("AnswerCache takes the place of an answer that it has, without counting it twice", async () => {
  const cache = new AnswerCache(testClock());
  const most = 15 * 1024 * 1024;
  for (let round = 0; round < 3; round++) await cache.fill("a", TTL_MS, answer(round, most));
  assert.equal(cache.read("a")?.value, 2);
});
