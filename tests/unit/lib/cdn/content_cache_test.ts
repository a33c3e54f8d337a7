import assert from "node:assert/strict";
import { join } from "node:path";
import { CacheQuota } from "../../../../lib/cdn/cache_quota.ts";
import { ContentCache } from "../../../../lib/cdn/content_cache.ts";
import { PartialFile } from "../../../../lib/system/partial_file.ts";
import { tempFolder } from "../../../support/temp_folder.ts";
import { testClock } from "../../../support/test_clock.ts";

const NAME = { folder: "models", key: "a.big" };

async function place() {
  const folder = await tempFolder();
  const path = join(folder.path, "models", "a.big");
  const quota = new CacheQuota(folder.path, { quotaBytes: undefined, clock: testClock() });
  return {
    ...{ path, quota, cache: new ContentCache(folder.path, quota) },
    names: () => Array.fromAsync(Deno.readDir(join(folder.path, "models")), ({ name }) => name),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** What a process leaves that is killed between the two steps of a commit. */
async function leaveJournal(path: string): Promise<void> {
  using file = await PartialFile.open(path);
  file.writeAt(0, Uint8Array.of(1, 2, 3));
  file.append("head");
  await Deno.rename(join(path, "../.a.big.part"), path);
}

Deno.test("ContentCache removes the journal of a big part that is whole, when it is found and when it goes", async () => {
  await using here = await place();
  await leaveJournal(here.path);
  assert.equal((await here.names()).length, 2);
  assert.equal((await here.cache.find(NAME))?.sizeBytes, 3);
  assert.deepEqual(await here.names(), ["a.big"]);

  await Deno.remove(here.path);
  await leaveJournal(here.path);
  await Deno.utime(here.path, 0, 0);
  await here.quota.prune({ quotaBytes: 0 });
  assert.deepEqual(await here.names(), []);
});

Deno.test("ContentCache.begin() begins nothing when somebody has brought all of it meanwhile, and makes room before the first byte", async () => {
  await using here = await place();
  {
    using file = await here.cache.begin(NAME, 3);
    file?.writeAt(0, Uint8Array.of(1, 2, 3));
    await file?.commit(3);
  }
  assert.equal(await here.cache.begin(NAME, 3), undefined);
  assert.deepEqual(await here.names(), ["a.big"]);
  using other = await here.cache.begin(NAME, 4);
  assert(other !== undefined, "what is there has another size");
  other.discard();
  await assert.rejects(here.cache.begin({ ...NAME, key: "b.big" }, 2 ** 60), { code: "disk_full" });
  assert.deepEqual(await here.names(), ["a.big"]);
});
