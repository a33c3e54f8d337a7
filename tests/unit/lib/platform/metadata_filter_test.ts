import assert from "node:assert/strict";
import { InvalidInputError } from "../../../../lib/errors.ts";
import { checkedFilter, noteFilter, tagsFilter } from "../../../../lib/platform/metadata_filter.ts";

Deno.test("tagsFilter() and noteFilter() write what other clients write, and quote what must be quoted", () => {
  assert.equal(tagsFilter(["a", "b"]), '$.sdk.tags[*] ? (@ == "a" || @ == "b")');
  assert.equal(noteFilter("x", { ignoreCase: true }), '$.sdk.note ? (@ like_regex "x" flag "i")');
  assert.equal(noteFilter("x"), '$.sdk.note ? (@ like_regex "x")');
  assert.equal(tagsFilter(['") || true || (@ == "\\']), '$.sdk.tags[*] ? (@ == "\\") || true || (@ == \\"\\\\")');
  assert.throws(() => tagsFilter([]), InvalidInputError);
});

Deno.test("checkedFilter() takes 1000 characters and no more", () => {
  assert.equal(checkedFilter("x".repeat(1000)).length, 1000);
  assert.throws(() => checkedFilter("x".repeat(1001)), InvalidInputError);
});
