import assert from "node:assert/strict";
import fc from "fast-check";
import type { Span } from "../../../../lib/http/byte_ranges.ts";
import { parseRange } from "../../../../lib/http/range_request.ts";

const WHOLE = undefined;

const CASES: readonly [header: string | undefined, sizeBytes: number, Span | "unsatisfiable" | undefined][] = [
  [undefined, 10, WHOLE],
  ["bytes=0-0", 10, { start: 0, end: 1 }],
  ["bytes=0-9", 10, { start: 0, end: 10 }],
  ["bytes=0-99", 10, { start: 0, end: 10 }],
  ["bytes=9-", 10, { start: 9, end: 10 }],
  ["Bytes= 3 - 5 ", 10, { start: 3, end: 6 }],
  ["bytes=-1", 10, { start: 9, end: 10 }],
  ["bytes=-99", 10, { start: 0, end: 10 }],
  ["bytes=10-", 10, "unsatisfiable"],
  ["bytes=10-20", 10, "unsatisfiable"],
  ["bytes=-0", 10, "unsatisfiable"],
  ["bytes=0-0", 0, "unsatisfiable"],
  ["bytes=-5", 0, "unsatisfiable"],
  ["bytes=5-4", 10, WHOLE],
  ["bytes=-", 10, WHOLE],
  ["bytes=", 10, WHOLE],
  ["bytes=0-1,3-4", 10, WHOLE],
  ["bytes=a-b", 10, WHOLE],
  ["bytes=+1-2", 10, WHOLE],
  ["lines=0-1", 10, WHOLE],
  ["bytes=9999999999999999999-", 10, WHOLE],
];

for (const [header, sizeBytes, expected] of CASES) {
  Deno.test(`parseRange of "${header}" on ${sizeBytes} bytes`, () => {
    assert.deepEqual(parseRange(header, sizeBytes), expected);
  });
}

Deno.test("parseRange gives a slice within the object for every first and last byte", () => {
  fc.assert(fc.property(fc.nat(50), fc.nat(50), fc.nat(50), (first, last, sizeBytes) => {
    const slice = parseRange(`bytes=${first}-${last}`, sizeBytes);
    const bytes = Array.from({ length: sizeBytes }, (_, index) => index);
    const wanted = bytes.filter((index) => index >= first && index <= last);
    if (last < first) assert.equal(slice, undefined);
    else if (wanted.length === 0) assert.equal(slice, "unsatisfiable");
    else assert.deepEqual(slice, { start: wanted[0], end: wanted[0] === undefined ? 0 : wanted[0] + wanted.length });
  }));
});

Deno.test("parseRange() takes as long as the header, however many blanks it has", () => {
  const blanks = " ".repeat(1_000_000); // quadratic time would be hours
  for (const header of [`bytes=${blanks}x`, `bytes=1-${blanks}x`, `bytes=${blanks}1-2`]) {
    assert.equal(parseRange(header, 10), WHOLE);
  }
});
