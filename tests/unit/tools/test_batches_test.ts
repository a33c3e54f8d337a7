import assert from "node:assert/strict";
import { inParallel, testBatches } from "../../../tools/test_batches.ts";

Deno.test("testBatches() deals every test file into exactly one batch, and leaves a few paths as they are", async () => {
  assert.deepEqual(await testBatches(["tests/crash/"], 2), [["tests/crash/"]]);
  assert.deepEqual(await testBatches(["tests/unit/"], 1), [["tests/unit/"]]);
  const batches = await testBatches(["tests/unit/"], 2);
  assert.equal(batches.length, 10);
  const files = batches.flat();
  assert.equal(new Set(files).size, files.length);
  assert.ok(files.includes("tests/unit/tools/test_batches_test.ts"));
  assert.ok(files.every((file) => file.endsWith("_test.ts")));
  const sizes = batches.map(({ length }) => length);
  assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
});

Deno.test("inParallel() works on as many items at a time as it may, and keeps their order", async () => {
  let running = 0;
  let most = 0;
  const results = await inParallel([5, 1, 4, 2, 3], 2, async (item) => {
    most = Math.max(most, ++running);
    for (let turn = 0; turn < item; turn++) await Promise.resolve();
    running--;
    return item * 10;
  });
  assert.deepEqual(results, [50, 10, 40, 20, 30]);
  assert.equal(most, 2);
});
