import assert from "node:assert/strict";
import { FULL_CUT_BYTES, SMALL_PART_BYTES, smallPartSize } from "../../../../lib/split/plan.ts";
import { V1 } from "../../../support/v1_vectors.ts";

Deno.test("smallPartSize() cuts where the vectors cut", () => {
  for (const { encrypted_length, small, big } of V1.split) {
    assert.equal(smallPartSize(encrypted_length), small, `${encrypted_length} bytes`);
    assert.equal(encrypted_length - small, big);
  }
});

Deno.test("FULL_CUT_BYTES is the first size whose small part is full", () => {
  assert.equal(smallPartSize(FULL_CUT_BYTES), SMALL_PART_BYTES);
  assert.equal(smallPartSize(FULL_CUT_BYTES - 1), SMALL_PART_BYTES - 1);
});
