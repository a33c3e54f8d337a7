import assert from "node:assert/strict";
import { type Conditions, evaluate, rangeStillHolds, type Verdict } from "../../../../lib/http/precondition.ts";

const CASES: readonly [Conditions, etag: string | undefined, Verdict][] = [
  [{}, "a", "proceed"],
  [{}, undefined, "proceed"],
  [{ ifMatch: '"a"' }, "a", "proceed"],
  [{ ifMatch: '"b", "a"' }, "a", "proceed"],
  [{ ifMatch: "*" }, "a", "proceed"],
  [{ ifMatch: "*" }, undefined, "failed"],
  [{ ifMatch: '"b"' }, "a", "failed"],
  [{ ifMatch: 'W/"a"' }, "a", "failed"],
  [{ ifMatch: "a" }, "a", "failed"],
  [{ ifMatch: "" }, "a", "failed"],
  [{ ifNoneMatch: '"a"' }, "a", "not_modified"],
  [{ ifNoneMatch: 'W/"a"' }, "a", "not_modified"],
  [{ ifNoneMatch: "*" }, "a", "not_modified"],
  [{ ifNoneMatch: "*" }, undefined, "proceed"],
  [{ ifNoneMatch: '"b", "c"' }, "a", "proceed"],
  [{ ifMatch: '"b"', ifNoneMatch: '"a"' }, "a", "failed"],
];

for (const [conditions, etag, expected] of CASES) {
  Deno.test(`evaluate ${JSON.stringify(conditions)} on ${etag ?? "no object"}`, () => {
    assert.equal(evaluate(conditions, etag, "not_modified"), expected);
  });
}

Deno.test("rangeStillHolds takes the exact strong ETag only", () => {
  assert.equal(rangeStillHolds(undefined, "a"), true);
  assert.equal(rangeStillHolds('"a"', "a"), true);
  for (const other of ['"b"', 'W/"a"', "a", "Tue, 01 Jan 2030 00:00:00 GMT", "*"]) {
    assert.equal(rangeStillHolds(other, "a"), false, other);
  }
});
