import assert from "node:assert/strict";
import { type Permit, permitHolds, signPermit } from "../../../origin/signed_url.ts";

const key = new Uint8Array(32).fill(7);
const permit: Permit = { method: "GET", path: "/objects/models/a.big", expires: 1000 };

Deno.test("permitHolds until the second it expires", () => {
  const signature = signPermit(permit, key);
  assert.equal(permitHolds(permit, signature, { key, nowMs: 999_999 }), true);
  assert.equal(permitHolds(permit, signature, { key, nowMs: 1_000_000 }), false);
});

const OTHERS: readonly [string, Permit][] = [
  ["method", { ...permit, method: "PUT" }],
  ["path", { ...permit, path: "/objects/models/b.big" }],
  ["expiry", { ...permit, expires: 2000 }],
  ["expiry that is none", { ...permit, expires: NaN }],
  ["endless expiry", { ...permit, expires: Infinity }],
];

for (const [what, other] of OTHERS) {
  Deno.test(`permitHolds not for another ${what}`, () => {
    assert.equal(permitHolds(other, signPermit(permit, key), { key, nowMs: 0 }), false);
  });
}

Deno.test("permitHolds not with a wrong, empty or foreign signature", () => {
  const foreign = signPermit(permit, new Uint8Array(32));
  for (const signature of ["", "x", foreign, `${signPermit(permit, key)}A`]) {
    assert.equal(permitHolds(permit, signature, { key, nowMs: 0 }), false, signature);
  }
});
