import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { listEntries, verifyEntry } from "../../../../lib/cdn/cache_entries.ts";
import { CacheQuota } from "../../../../lib/cdn/cache_quota.ts";
import { BigPartCache } from "../../../../lib/cdn/cached.ts";
import { sha256Hex } from "../../../../lib/crypto/keys.ts";
import { DiskFullError } from "../../../../lib/errors.ts";
import { PartialFile } from "../../../../lib/system/partial_file.ts";
import { openUsed } from "../../../../lib/system/used_files.ts";
import { keystream } from "../../../support/keystream.ts";
import { tempFolder } from "../../../support/temp_folder.ts";
import { testClock } from "../../../support/test_clock.ts";

const HOUR_MS = 3_600_000;

async function site(quotaBytes?: number) {
  const folder = await tempFolder();
  const clock = testClock();
  const put = async (path: string, sizeBytes: number, ageHours: number) => {
    const file = join(folder.path, path);
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeFile(file, new Uint8Array(sizeBytes));
    const time = new Date(clock.now() - ageHours * HOUR_MS);
    await Deno.utime(file, time, time);
    return file;
  };
  const quota = new CacheQuota(folder.path, { quotaBytes, clock });
  return {
    clock,
    put,
    quota,
    root: folder.path,
    names: async () => (await quota.list()).map(({ folder, name }) => `${folder}/${name}`),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

Deno.test("CacheQuota lists big parts with all that goes with them, the longest unused first", async () => {
  await using here = await site();
  const { put, quota, root } = here;
  await put("models/new.big", 10, 1);
  await put("models/old.big", 20, 9);
  await put("models/old.big.json", 5, 9);
  await put(`maps/${"a".repeat(64)}.big`, 30, 5);
  await put(`maps/${"a".repeat(64)}.big.hashes`, 32, 5);
  await put("maps/.later.big.part", 7, 3);
  await put("maps/.later.big.part.journal", 3, 3);
  await put(".staging/.x.partial", 100, 3);
  await Deno.symlink("/etc", join(root, "linked"));
  await Deno.symlink("/etc/passwd", join(root, "maps/passwd.big"));
  assert.deepEqual((await quota.list()).map(({ name, kind, sizeBytes }) => [name, kind, sizeBytes]), [
    ["old", "big", 25],
    ["a".repeat(64), "big", 62],
    ["later.big", "partial", 10],
    ["new", "big", 10],
  ]);
});

Deno.test("CacheQuota.makeRoom() removes what was used longest ago, and keeps what is pinned, in use or just used", async () => {
  await using here = await site(100);
  const { put, quota, names } = here;
  await put("models/pinned.big", 20, 10);
  const read = await put("models/read.big", 20, 9);
  await put("models/old.big", 20, 8);
  await put("models/old.big.json", 1, 8);
  await put("models/recent.big", 15, 7);
  await put("models/now.big", 20, 0);
  await quota.repin({ pin: ["models/pinned"] });
  const reader = (await openUsed(read)).getReader();
  await quota.makeRoom(10);
  assert.deepEqual(await names(), ["models/pinned", "models/read", "models/recent", "models/now"]);
  await assert.rejects(quota.makeRoom(50), DiskFullError);
  assert.deepEqual(await names(), ["models/pinned", "models/read", "models/now"]);
  await reader.cancel();
  await quota.makeRoom(50);
  assert.deepEqual(await names(), ["models/pinned", "models/now"]);
});

Deno.test("CacheQuota.makeRoom() removes nothing for what does not fit at all, and nothing without a quota", async () => {
  await using here = await site(100);
  const { put, quota, root, clock, names } = here;
  await put("models/old.big", 80, 8);
  await assert.rejects(quota.makeRoom(101), DiskFullError);
  await new CacheQuota(root, { quotaBytes: undefined, clock }).makeRoom(1000);
  assert.deepEqual(await names(), ["models/old"]);
  await assert.rejects(new CacheQuota(root, { quotaBytes: undefined, clock }).makeRoom(2 ** 52), DiskFullError);
});

Deno.test("CacheQuota.prune() leaves a download that is running, and removes one that was left", async () => {
  await using here = await site();
  const { quota, root, clock } = here;
  const path = join(root, "models/m.big");
  const running = await PartialFile.open(path);
  running.writeAt(0, new Uint8Array(10));
  clock.advance(Date.now() + 2 * HOUR_MS - clock.now()); // the file has the machine's time
  assert.deepEqual((await quota.prune({ quotaBytes: 0 })).removed, []);
  running[Symbol.dispose]();
  const { removed } = await quota.prune({ quotaBytes: 0, dryRun: true });
  assert.deepEqual(removed.map(({ name }) => name), ["m.big"]);
  await quota.prune({ quotaBytes: 0 });
  assert.deepEqual(await Array.fromAsync(Deno.readDir(join(root, "models")), ({ name }) => name), []);
});

Deno.test("verifyEntry() tells what is good, damaged, and unknown", async () => {
  await using here = await site();
  const { root } = here;
  const cache = new BigPartCache(root);
  const bytes = keystream("verify", 50_000);
  using writer = await cache.create();
  writer.write(bytes.slice());
  await writer.commit({ folder: "models", name: "v1" }, { smallSha256: "0".repeat(64) });
  await Deno.writeFile(join(root, "models", `${await sha256Hex(bytes)}.big`), bytes);
  await Deno.writeFile(join(root, "models", "foreign.big"), bytes);
  const states = async () =>
    Object.fromEntries(
      await Promise.all(
        (await listEntries(root)).map(async (entry) => [entry.name.slice(0, 7), await verifyEntry(entry)]),
      ),
    );
  const content = (await sha256Hex(bytes)).slice(0, 7);
  assert.deepEqual(await states(), { v1: "good", [content]: "good", foreign: "unknown" });
  for (const { files: [path = ""] } of await listEntries(root)) {
    const damaged = await Deno.readFile(path);
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 1;
    await Deno.writeFile(path, damaged);
  }
  assert.deepEqual(await states(), { v1: "damaged", [content]: "damaged", foreign: "unknown" });
});

Deno.test("BigPartCache notes what is used, and asks for room before it writes", async () => {
  await using here = await site(60_000);
  const { root, quota, clock, names } = here;
  const cache = new BigPartCache(root, quota);
  for (const name of ["one", "two"]) {
    using writer = await cache.create(25_000);
    writer.write(keystream(name, 25_000));
    await writer.commit({ folder: "models", name }, { smallSha256: "0".repeat(64) });
  }
  clock.advance(Math.max(0, Date.now() - clock.now()) + HOUR_MS);
  await cache.find({ folder: "models", name: "one" });
  clock.advance(HOUR_MS);
  await assert.rejects(cache.create(60_001), DiskFullError);
  using writer = await cache.create(25_000);
  writer.write(keystream("three", 25_000));
  await writer.commit({ folder: "models", name: "three" }, { smallSha256: "0".repeat(64) });
  assert.deepEqual((await names()).sort(), ["models/one", "models/three"]);
});

Deno.test("CacheQuota.makeRoom() removes what a clock that was far ahead has marked as used, too", async () => {
  await using here = await site(100);
  await here.put("models/future.big", 90, -10 * 365 * 24);
  await here.quota.makeRoom(50);
  assert.deepEqual(await here.names(), []);
});

Deno.test("CacheQuota does not guess what was pinned when the file of pins is damaged", async () => {
  await using here = await site(10);
  await here.put("models/a.big", 8, 5);
  for (const content of ["", "{", '{"v":1,"pins":["models/a",7]}', '{"v":2,"pins":[]}']) {
    await Deno.writeTextFile(join(here.root, ".pins.json"), content);
    await assert.rejects(here.quota.makeRoom(8), { name: "ConfigurationError" }, content);
  }
  assert.deepEqual((await listEntries(here.root)).map(({ name }) => name), ["a"], "nothing went");
});
