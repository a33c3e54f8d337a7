import assert from "node:assert/strict";
import fc from "fast-check";
import { isEmptyRange, rangeHeader, resolveRange } from "../../../../lib/cdn/range.ts";
import { parseContentRange } from "../../../../lib/http/byte_ranges.ts";
import type { ByteRange } from "../../../../lib/cdn/store.ts";

const size = fc.nat({ max: 50 });
const anyRange: fc.Arbitrary<ByteRange> = fc.oneof(
  fc.record({ start: size }),
  fc.record({ start: size, end: size }),
  fc.record({ last: size }),
);

Deno.test("resolveRange() means the bytes that slice() takes", () => {
  fc.assert(fc.property(anyRange, size, (range, totalBytes) => {
    const bytes = Array.from({ length: totalBytes }, (_, index) => index);
    const expected = "last" in range
      ? bytes.slice(totalBytes - Math.min(range.last, totalBytes))
      : bytes.slice(range.start, range.end);
    const { start, end } = resolveRange(range, totalBytes);
    assert.deepEqual(bytes.slice(start, end), expected);
    assert(0 <= start && start <= end && end <= totalBytes);
    if (isEmptyRange(range)) assert.equal(expected.length, 0);
  }));
});

Deno.test("resolveRange() and isEmptyRange() refuse numbers that are no offsets", () => {
  for (const wrong of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    for (const range of [{ start: wrong }, { start: 0, end: wrong }, { last: wrong }]) {
      assert.throws(() => resolveRange(range, 10), RangeError, JSON.stringify(range));
      assert.throws(() => isEmptyRange(range), RangeError, JSON.stringify(range));
    }
  }
});

Deno.test("rangeHeader() writes the three forms of RFC 9110", () => {
  assert.equal(rangeHeader({ start: 5 }), "bytes=5-");
  assert.equal(rangeHeader({ start: 5, end: 6 }), "bytes=5-5");
  assert.equal(rangeHeader({ last: 3 }), "bytes=-3");
});

Deno.test("parseContentRange() takes satisfied ranges and nothing else", () => {
  assert.deepEqual(parseContentRange("bytes 2-4/10"), { start: 2, end: 5, totalBytes: 10 });
  for (
    const wrong of ["", "bytes */10", "bytes 2-4/*", "bytes 4-2/10", "bytes 2-10/10", "items 2-4/10", "bytes 2-4/10 "]
  ) {
    assert.equal(parseContentRange(wrong), undefined, wrong);
  }
});
