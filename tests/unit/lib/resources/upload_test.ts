import assert from "node:assert/strict";
import type { ObjectStore } from "../../../../lib/cdn/store.ts";
import { encryptedSize } from "../../../../lib/crypto/cbc_v1.ts";
import { ConflictError, IntegrityError, NotAllowedError, UnavailableError } from "../../../../lib/errors.ts";
import { byteStream } from "../../../../lib/streams.ts";
import { RESOURCE, ResourceSite, version } from "../../../support/resource_site.ts";

const BIG_NAME = `${RESOURCE.name}.big`;

function withPut(store: ObjectStore, put: ObjectStore["put"]): ObjectStore {
  return {
    head: store.head.bind(store),
    get: store.get.bind(store),
    delete: store.delete.bind(store),
    list: store.list.bind(store),
    put,
  };
}

Deno.test("upload() keeps the ciphertext only: small part on the API, big part on the CDN and in the cache", async () => {
  await using site = await ResourceSite.open();
  const { smallBytes, bigBytes } = await site.publish(version(1));
  assert.deepEqual([smallBytes, bigBytes], [3072, encryptedSize(100_000) - 3072]);
  assert.equal((await site.store.head(RESOURCE.folder, BIG_NAME))?.sizeBytes, bigBytes);
  assert.deepEqual(await site.cachedFiles(), [BIG_NAME, `${BIG_NAME}.json`]);
  const cached = await Deno.readFile(site.cachedPath);
  assert.equal(new TextDecoder("latin1").decode(cached).includes("\x01".repeat(64)), false, "plaintext in the cache");
});

Deno.test("upload() puts the old big part back when the API refuses the small one, and the old cached pair stays good", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  site.refuseSmallPart = () => Promise.reject(new NotAllowedError("No"));
  await assert.rejects(site.publish(version(2)), NotAllowedError);
  assert.deepEqual(await site.loadWhole(), { plain: version(1), source: "cache", sizeBytes: 100_000 });
  await Deno.remove(site.cachePath, { recursive: true });
  assert.deepEqual(await site.loadWhole(), { plain: version(1), source: "cdn", sizeBytes: 100_000 });
});

Deno.test("upload() withdraws the big part when the API refuses the small one and the old big part is not in the cache as it was", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  const old = await Deno.readFile(site.cachedPath);
  const damage = () => Deno.writeFile(site.cachedPath, old.with(7, (old[7] ?? 0) ^ 1));
  for (const change of [damage, () => Deno.remove(site.cachedPath)]) {
    await site.publish(version(1));
    await change();
    site.refuseSmallPart = () => Promise.reject(new NotAllowedError("No"));
    await assert.rejects(site.publish(version(2)), NotAllowedError);
    assert.equal(await site.store.head(RESOURCE.folder, BIG_NAME), undefined, "half a pair on the CDN");
    site.refuseSmallPart = undefined;
  }
});

Deno.test("upload() replaces nothing while the API cannot be asked", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  const before = await site.store.head(RESOURCE.folder, BIG_NAME);
  site.requireApi = () => Promise.reject(new UnavailableError("API", "Away"));
  site.store = withPut(site.store, () => Promise.reject(new Error("asked")));
  await assert.rejects(site.publish(version(2)), UnavailableError);
  assert.deepEqual(await site.store.head(RESOURCE.folder, BIG_NAME), before);
  assert.deepEqual((await site.loadWhole()).plain, version(1));
});

Deno.test("upload() leaves everything as it was when the CDN takes nothing", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  site.store = withPut(site.store, () => Promise.reject(new UnavailableError("CDN", "Away")));
  await assert.rejects(site.publish(version(2)), UnavailableError);
  assert.ok(await site.store.head(RESOURCE.folder, BIG_NAME), "the old big part");
  assert.deepEqual((await site.loadWhole()).plain, version(1));
});

Deno.test("upload() withdraws a big part that got there although the CDN seemed to fail", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  const { store } = site;
  site.store = withPut(store, async (...args) => {
    await store.put(...args);
    throw new UnavailableError("CDN", "The answer was lost");
  });
  await assert.rejects(site.publish(version(2)), UnavailableError);
  assert.equal(await store.head(RESOURCE.folder, BIG_NAME), undefined);
  assert.deepEqual((await site.loadWhole()).plain, version(1));
});

Deno.test("upload() leaves no file when its source fails", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  const before = await site.cachedFiles();
  let pieces = 0;
  const source = byteStream(() =>
    ++pieces > 3 ? Promise.reject(new Error("cut")) : Promise.resolve(new Uint8Array(300_000))
  );
  await assert.rejects(site.stage(source), /cut/);
  assert.deepEqual(await site.cachedFiles(), before);
});

Deno.test("upload() lets publications of one name wait for each other, so that no halves of two stay", async () => {
  await using site = await ResourceSite.open();
  const uploads = [1, 2, 3, 4].map((number) => site.publish(version(number)));
  await Promise.all(uploads);
  await site.cache.evict(RESOURCE);
  const { plain } = await site.loadWhole();
  assert.deepEqual(plain, version(plain[50] ?? 0), "one version as a whole");
});

Deno.test("upload() goes on after a publication of the same name that failed", async () => {
  await using site = await ResourceSite.open();
  site.refuseSmallPart = () => {
    site.refuseSmallPart = undefined;
    return Promise.reject(new NotAllowedError("No"));
  };
  const [failed, published] = await Promise.allSettled([site.publish(version(1)), site.publish(version(2))]);
  assert.deepEqual([failed.status, published.status].sort(), ["fulfilled", "rejected"]);
  assert.ok(await site.store.head(RESOURCE.folder, BIG_NAME));
});

Deno.test("upload() tells a publisher whose big part somebody else has replaced in the meantime", async () => {
  await using site = await ResourceSite.open();
  await using other = site.publisher();
  site.refuseSmallPart = async () => {
    site.refuseSmallPart = undefined;
    await other.publish(version(2));
  };
  await assert.rejects(site.publish(version(1)), ConflictError);
  assert.equal(await exists(site.cachedPath), false, "half a pair in the cache");
});

Deno.test("upload() does not withdraw what somebody else has put in the place of its big part", async () => {
  await using site = await ResourceSite.open();
  const { store } = site;
  site.store = {
    ...withPut(store, async (bucket, key, source, options) => {
      await store.put(bucket, key, source, options);
      throw new IntegrityError("The CDN took it, but does not hold the bytes that were sent");
    }),
    head: async (...args) => {
      const facts = await store.head(...args);
      return facts && { ...facts, pairedWith: "0".repeat(64) };
    },
  };
  await assert.rejects(site.publish(version(1)), IntegrityError);
  assert.ok(await store.head(RESOURCE.folder, BIG_NAME));
});

Deno.test("upload() succeeds when it is published and only the cache does not take it", async () => {
  await using site = await ResourceSite.open();
  await Deno.mkdir(site.cachePath);
  await Deno.writeTextFile(`${site.cachePath}/${RESOURCE.folder}`, "no folder");
  await site.publish(version(1));
  assert.deepEqual((await site.loadWhole()).plain, version(1));
  assert.deepEqual(await site.cachedFiles(), [RESOURCE.folder]);
});

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false;
  }
}
