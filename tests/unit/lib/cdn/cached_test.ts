import assert from "node:assert/strict";
import { join } from "node:path";
import { type Bytes, utf8 } from "../../../../lib/bytes.ts";
import { BigPartCache, type CachedBigPart } from "../../../../lib/cdn/cached.ts";
import { IntegrityError } from "../../../../lib/errors.ts";
import { collect } from "../../../../lib/streams.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const RESOURCE = { folder: "models", name: "m" };
const OLD = { bytes: utf8("old ".repeat(5_000)), smallSha256: "0".repeat(64) };
const NEW = { bytes: utf8("new ".repeat(6_000)), smallSha256: "1".repeat(64) };

async function commit(
  cache: BigPartCache,
  { bytes, smallSha256 }: { bytes: Bytes; smallSha256: string },
): Promise<void> {
  using writer = await cache.create();
  for (let offset = 0; offset < bytes.byteLength; offset += 1_000) writer.write(bytes.slice(offset, offset + 1_000));
  await writer.commit(RESOURCE, { smallSha256, etag: "e" });
}

async function content(part: CachedBigPart | undefined): Promise<Bytes | undefined> {
  return part && await collect(await part.open(), 100_000);
}

Deno.test("BigPartCache gives back what was committed, with what it belongs to", async () => {
  await using folder = await tempFolder();
  const cache = new BigPartCache(folder.path);
  assert.equal(await cache.find(RESOURCE), undefined);
  await commit(cache, OLD);
  const found = await cache.find(RESOURCE);
  assert.deepEqual(await content(found), OLD.bytes);
  assert.equal(found?.pairing?.smallSha256, OLD.smallSha256);
});

Deno.test("BigPartCache has the old pair or the new one, whichever of its two renames a crash comes between", async () => {
  await using folder = await tempFolder();
  const cache = new BigPartCache(folder.path);
  const path = join(folder.path, "models", "m.big");
  await commit(cache, OLD);
  await Deno.copyFile(path, join(folder.path, "kept"));
  await commit(cache, NEW);
  assert.equal((await cache.find(RESOURCE))?.pairing?.smallSha256, NEW.smallSha256);

  await Deno.copyFile(join(folder.path, "kept"), path); // the record is new, the big part is still the old one
  const found = await cache.find(RESOURCE);
  assert.deepEqual(await content(found), OLD.bytes);
  assert.equal(found?.pairing?.smallSha256, OLD.smallSha256);
});

Deno.test("BigPartCache vouches for no file that it did not write, and for none when its record cannot be read", async () => {
  await using folder = await tempFolder();
  const cache = new BigPartCache(folder.path);
  const path = join(folder.path, "models", "m.big");
  await commit(cache, OLD);
  await Deno.writeFile(path, NEW.bytes);
  assert.equal((await cache.find(RESOURCE))?.pairing, undefined, "another file");
  for (const record of ["", "{", "[]", '{"v":2,"pairings":[]}', '{"v":1,"pairings":[{"id":1}]}', "\xff"]) {
    await commit(cache, OLD);
    await Deno.writeTextFile(`${path}.json`, record);
    assert.equal((await cache.find(RESOURCE))?.pairing, undefined, record);
  }
});

Deno.test("BigPartCache follows no symbolic link", async () => {
  await using folder = await tempFolder();
  const cache = new BigPartCache(join(folder.path, "cache"));
  await commit(cache, OLD);
  const path = join(folder.path, "cache", "models", "m.big");
  await Deno.writeFile(join(folder.path, "outside"), NEW.bytes);
  await Deno.remove(path);
  await Deno.symlink(join(folder.path, "outside"), path);
  assert.equal(await cache.find(RESOURCE), undefined);
});

Deno.test("BigPartCache leaves nothing of a part that was not committed, and sweeps what a killed process left", async () => {
  await using folder = await tempFolder();
  const cache = new BigPartCache(folder.path);
  const abandoned = await cache.create();
  abandoned.write(NEW.bytes);
  assert.equal(await cache.sweep(), 0, "somebody is still writing");
  await Deno.writeFile(join(folder.path, ".staging", `.${crypto.randomUUID()}.partial`), NEW.bytes);
  assert.equal(await cache.sweep(), 1);
  using writer = await cache.create();
  writer.write(NEW.bytes);
  writer[Symbol.dispose]();
  abandoned[Symbol.dispose]();
  assert.deepEqual([...Deno.readDirSync(join(folder.path, ".staging"))], []);
});

Deno.test("BigPartCache.sweep() says that a file stands in the place of the folder", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "file");
  await Deno.writeTextFile(path, "");
  await assert.rejects(new BigPartCache(path).sweep(), { name: "ConfigurationError", message: /is not a folder/ });
});

Deno.test("BigPartCache.find() waits for a change that goes on behind its caller", async () => {
  await using folder = await tempFolder();
  const cache = new BigPartCache(folder.path);
  cache.later(RESOURCE, () => commit(cache, OLD));
  assert.deepEqual(await content(await cache.find(RESOURCE)), OLD.bytes);
  cache.later(RESOURCE, () => cache.evict(RESOURCE));
  await cache.settled();
  assert.equal(await cache.find(RESOURCE), undefined);
});

Deno.test("BigPartCache reads and writes nothing through a symbolic link", async () => {
  await using folder = await tempFolder();
  const cache = new BigPartCache(join(folder.path, "cache"));
  await commit(cache, OLD);
  const outside = join(folder.path, "outside");
  await Deno.rename(join(folder.path, "cache/models"), outside);
  await Deno.symlink(outside, join(folder.path, "cache/models"));
  const before = await Deno.readTextFile(join(outside, "m.big.json"));
  await assert.rejects(cache.find(RESOURCE), IntegrityError);
  await assert.rejects(commit(cache, NEW), IntegrityError);
  await assert.rejects(cache.pair(RESOURCE, { smallSha256: NEW.smallSha256, crc32: 0 }), IntegrityError);
  await assert.rejects(cache.evict(RESOURCE), IntegrityError);
  assert.equal(await Deno.readTextFile(join(outside, "m.big.json")), before);
  assert.deepEqual([...Deno.readDirSync(outside)].map(({ name }) => name).sort(), ["m.big", "m.big.json"]);
});
