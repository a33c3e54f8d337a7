import assert from "node:assert/strict";
import fc from "fast-check";
import { NotFoundError, UnavailableError } from "../../../../lib/errors.ts";
import { allPages, checkedPageSize } from "../../../../lib/platform/pages.ts";

Deno.test("allPages() gives every entry once, in order, and asks for no page too many", async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.integer()), fc.integer({ min: 1, max: 7 }), async (all, pageSize) => {
    const asked: number[] = [];
    const entries = allPages((page) => {
      asked.push(page);
      return Promise.resolve(all.slice((page - 1) * pageSize, page * pageSize));
    }, pageSize);
    assert.deepEqual(await Array.fromAsync(entries), all);
    assert.equal(asked.length, Math.floor(all.length / pageSize) + 1);
  }));
});

Deno.test("allPages() ends at a 404 behind the first page, and fails with one at the first", async () => {
  const missing = (from: number) => (page: number) =>
    page < from ? Promise.resolve([page]) : Promise.reject(new NotFoundError("m"));
  assert.deepEqual(await Array.fromAsync(allPages(missing(3), 1)), [1, 2]);
  await assert.rejects(Array.fromAsync(allPages(missing(1), 1)), NotFoundError);
});

Deno.test("allPages() does not take another error for the end", async () => {
  const broken = (page: number) =>
    page < 2 ? Promise.resolve([page]) : Promise.reject(new UnavailableError("API", "m"));
  await assert.rejects(Array.fromAsync(allPages(broken, 1)), UnavailableError);
});

Deno.test("allPages() asks for nothing that its reader does not want", async () => {
  let pages = 0;
  for await (const entry of allPages((page) => (pages++, Promise.resolve([page, page])), 2)) if (entry === 2) break;
  assert.equal(pages, 2);
});

Deno.test("allPages() gives up on a server that has no last page", async () => {
  let count = 0;
  await assert.rejects(async () => {
    for await (const _ of allPages(() => Promise.resolve([0]), 1)) count++;
  }, /does not come to an end/);
  assert.equal(count, 10_000);
});

Deno.test("checkedPageSize() takes what the platform takes", () => {
  for (const good of [5, 20, 100]) assert.equal(checkedPageSize(good), good);
  for (const bad of [0, 4, 101, 5.5, NaN]) assert.throws(() => checkedPageSize(bad), /must be 5 to 100/);
});
