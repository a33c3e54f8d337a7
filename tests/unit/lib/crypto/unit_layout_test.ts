import assert from "node:assert/strict";
import fc from "fast-check";
import { SUITE_NAMES, SUITES } from "../../../../lib/crypto/suites.ts";
import { bigSize, plainSize, plainStart, unitAt, unitCount, unitStart } from "../../../../lib/crypto/unit_layout.ts";

const LARGE = 2 ** 46;

for (const name of SUITE_NAMES) {
  const { layout } = SUITES[name];

  Deno.test(`plainSize() undoes bigSize() with ${name}, for any size`, () => {
    fc.assert(fc.property(fc.nat({ max: LARGE }), (size) => {
      assert.equal(plainSize(layout, bigSize(layout, size)), size);
    }));
  });

  Deno.test(`unitAt() is the unit whose content holds the offset with ${name}`, () => {
    fc.assert(fc.property(fc.nat({ max: LARGE }), (offset) => {
      const index = unitAt(layout, offset);
      assert.ok(plainStart(layout, index) <= offset && offset < plainStart(layout, index + 1));
      assert.ok(index < unitCount(layout, bigSize(layout, offset + 1)));
    }));
  });

  Deno.test(`unitCount() units cover a big part of ${name} without a gap, the last of them not empty`, () => {
    fc.assert(fc.property(fc.nat({ max: LARGE }), (size) => {
      const bigBytes = bigSize(layout, size);
      const last = unitCount(layout, bigBytes) - 1;
      assert.equal(unitStart(layout, 0), 0);
      assert.ok(unitStart(layout, last) < bigBytes && bigBytes <= unitStart(layout, last + 1));
    }));
  });

  Deno.test(`plainSize() refuses what no big part of ${name} can have`, () => {
    for (let size = 0; size < layout.headerBytes + 16; size++) {
      assert.throws(() => plainSize(layout, size), { name: "IntegrityError", step: "size" }, `${size}`);
    }
    const full = bigSize(layout, layout.firstPlainBytes);
    for (let more = 1; more < 16 + layout.lastPlainBytesMin; more++) {
      assert.throws(() => plainSize(layout, full + more), { step: "size" }, `${more} bytes more`);
    }
  });
}
