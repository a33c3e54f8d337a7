import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../lib/bytes.ts";
import { Crc32c } from "../../../lib/crc32c.ts";

function crc32c(...pieces: Uint8Array[]): string {
  const sum = new Crc32c();
  for (const piece of pieces) sum.update(piece);
  return sum.digest().toHex();
}

/** @see RFC 3720, B.4 */
const VECTORS: readonly (readonly [string, Uint8Array, string])[] = [
  ["nothing", new Uint8Array(0), "00000000"],
  ["the check value", utf8("123456789"), "e3069283"],
  ["32 zeros", new Uint8Array(32), "8a9136aa"],
  ["32 ones", new Uint8Array(32).fill(0xff), "62a8ab43"],
  ["32 rising", Uint8Array.from({ length: 32 }, (_, index) => index), "46dd794e"],
  ["32 falling", Uint8Array.from({ length: 32 }, (_, index) => 31 - index), "113fdb5c"],
];

Deno.test("Crc32c gives the values of its standard", () => {
  for (const [what, bytes, expected] of VECTORS) assert.equal(crc32c(bytes), expected, what);
});

Deno.test("Crc32c.base64() has the form of cloud stores", () => {
  const sum = new Crc32c();
  assert.equal(sum.base64(), "AAAAAA==");
  sum.update(utf8("123456789"));
  assert.equal(sum.base64(), "4waSgw==");
});

Deno.test("Crc32c does not depend on how the bytes are cut", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
    assert.equal(crc32c(bytes.subarray(0, cut), bytes.subarray(cut)), crc32c(bytes));
  }));
});
