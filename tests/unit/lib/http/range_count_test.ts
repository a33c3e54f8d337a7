import assert from "node:assert/strict";
import { RangeCount } from "../../../../lib/http/range_count.ts";

/** Lets segments arrive for a minute, at a rate that depends on how many ranges there are. */
function settled(most: number, segmentsPerSecond: (ranges: number) => number): number {
  const count = new RangeCount(most);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 1000 / segmentsPerSecond(count.target)) count.arrived(nowMs);
  return count.target;
}

Deno.test("RangeCount takes as many ranges as help, and no more", () => {
  assert.equal(settled(8, (ranges) => 10 * ranges), 8, "each brings as much as the first");
  assert.equal(settled(8, () => 100), 1, "the link is full with one");
  assert.equal(settled(8, (ranges) => 10 * Math.min(ranges, 4)), 4, "four fill the link");
  assert.equal(settled(3, (ranges) => 10 * ranges), 3, "no more than allowed");
  assert.equal(settled(1, (ranges) => 10 * ranges), 1);
});

Deno.test("RangeCount goes on when the clock is set back", () => {
  const count = new RangeCount(8);
  for (let nowMs = 86_400_000; nowMs < 86_401_000; nowMs += 50) count.arrived(nowMs);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 100 / count.target) count.arrived(nowMs);
  assert.equal(count.target, 8);
});

Deno.test("RangeCount stays at one for a source without ranges", () => {
  const count = new RangeCount(8);
  count.single();
  for (let nowMs = 0; nowMs < 60_000; nowMs += 50) count.arrived(nowMs);
  assert.equal(count.target, 1);
});

Deno.test("RangeCount learns nothing while whoever takes the segments is the slow one", () => {
  const count = new RangeCount(8);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 50) {
    if (nowMs % 500 === 0) count.heldBack();
    count.arrived(nowMs);
  }
  assert.equal(count.target, 1);
});
