import assert from "node:assert/strict";
import fc from "fast-check";
import { Crc32c } from "../../../../lib/crypto/crc32c.ts";

function sumOf(...chunks: readonly Uint8Array[]): number {
  const sum = new Crc32c();
  for (const chunk of chunks) sum.update(chunk);
  return sum.value;
}

Deno.test("Crc32c gives the check value and the vectors of RFC 3720, appendix B.4", () => {
  const vectors: readonly (readonly [Uint8Array, number])[] = [
    [new TextEncoder().encode("123456789"), 0xe3069283],
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(255), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
    [Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113fdb5c],
    [new Uint8Array(0), 0],
  ];
  for (const [bytes, expected] of vectors) assert.equal(sumOf(bytes), expected);
});

Deno.test("Crc32c gives its bytes as Google Cloud Storage writes them", () => {
  const sum = new Crc32c();
  assert.equal(sum.bytes().toBase64(), "AAAAAA==");
  sum.update(new TextEncoder().encode("123456789"));
  assert.equal(sum.bytes().toBase64(), "4waSgw==");
});

Deno.test("Crc32c is that of the definition, however the bytes are cut and wherever in memory they lie", () => {
  const bitwise = (bytes: Uint8Array) => {
    let state = -1;
    for (const byte of bytes) {
      state ^= byte;
      for (let bit = 0; bit < 8; bit++) state = state & 1 ? state >>> 1 ^ 0x82f63b78 : state >>> 1;
    }
    return ~state >>> 0;
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 7 }), fc.nat({ max: 200 }), (bytes, shift, at) => {
      const moved = new Uint8Array(bytes.length + shift).subarray(shift);
      moved.set(bytes);
      assert.equal(sumOf(moved), bitwise(bytes));
      assert.equal(sumOf(moved.subarray(0, at), moved.subarray(at)), bitwise(bytes));
    }),
  );
});
