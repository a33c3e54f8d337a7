import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Bytes } from "../../../../lib/bytes.ts";
import type { GetOptions, ObjectStore } from "../../../../lib/cdn/store.ts";
import { aesKey } from "../../../../lib/crypto/keys.ts";
import { ConflictError, IntegrityError, NotFoundError, UnavailableError } from "../../../../lib/errors.ts";
import { byteStream, collect } from "../../../../lib/streams.ts";
import { keystream } from "../../../support/keystream.ts";
import { RESOURCE, ResourceSite, version } from "../../../support/resource_site.ts";

const SMALL_NAME = `${RESOURCE.folder}/${RESOURCE.name}.small`;
const SIZES = [0, 1, 15, 16, 17, 3_000, 10_207, 10_208, 10_239, 10_240, 10_241, 300_000, 2 ** 20, 2 ** 20 + 5];

/** The store with some of its calls replaced. */
function altered(store: ObjectStore, changes: Partial<ObjectStore>): ObjectStore {
  return {
    head: (...args) => store.head(...args),
    get: (...args) => store.get(...args),
    put: (...args) => store.put(...args),
    delete: (...args) => store.delete(...args),
    list: (...args) => store.list(...args),
    ...changes,
  };
}

const away = () => Promise.reject(new UnavailableError("CDN", "The CDN cannot be reached"));

for (const size of SIZES) {
  Deno.test(`load() gives back ${size} bytes that upload() published, from the CDN and then from the cache`, async () => {
    await using site = await ResourceSite.open();
    const plain = keystream("resource", size);
    const published = await site.publisher().publish(plain);
    assert.equal(published.sizeBytes, size);
    for (const source of ["cdn", "cache"]) {
      assert.deepEqual(await site.loadWhole(), { plain, source, sizeBytes: size });
    }
  });
}

Deno.test("load() works from a matching cache with the CDN away", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  site.store = altered(site.store, { head: away, get: away });
  assert.equal((await site.loadWhole()).source, "cache");
});

Deno.test("load() fails with the CDN's error when there is no matching cache", async () => {
  await using site = await ResourceSite.open();
  await site.publisher().publish(version(1));
  site.store = altered(site.store, { head: away, get: away });
  await assert.rejects(site.load(RESOURCE), UnavailableError);
});

Deno.test("load() fetches a re-published resource anew and never joins it to the old cached part", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  await site.publisher().publish(version(2));
  assert.deepEqual(await site.loadWhole(), { plain: version(2), source: "cdn", sizeBytes: 100_000 });
  assert.equal((await site.loadWhole()).source, "cache");
});

Deno.test("load() waits for a publisher who is between the two parts", async () => {
  const arriving: Bytes[] = [];
  await using site = await ResourceSite.open(() => {
    for (const small of arriving) site.smallParts.set(SMALL_NAME, small);
    return Promise.resolve();
  });
  await site.publisher().publish(version(1));
  const old = smallPart(site);
  await site.publisher().publish(version(2));
  arriving.push(smallPart(site));
  site.smallParts.set(SMALL_NAME, old);

  const pairedWith = sha256(...arriving);
  const { store } = site;
  site.store = altered(store, { head: async (...args) => ({ ...await facts(store, args), pairedWith }) });
  assert.deepEqual((await site.loadWhole()).plain, version(2));
  assert.equal(site.clock.sleeps.length, 1);
});

Deno.test("load() gives up on parts that stay apart", async () => {
  await using site = await ResourceSite.open();
  await site.publisher().publish(version(1));
  const { store } = site;
  site.store = altered(store, {
    head: async (...args) => ({ ...await facts(store, args), pairedWith: "f".repeat(64) }),
  });
  await assert.rejects(
    site.load(RESOURCE),
    (error) => error instanceof IntegrityError && /different versions/.test(error.message),
  );
  assert.equal(site.clock.sleeps.length, 3);
});

Deno.test("load() begins again when the object is replaced between two looks at it", async () => {
  await using site = await ResourceSite.open();
  await site.publisher().publish(version(1));
  const { store } = site;
  let failures = 1;
  site.store = altered(store, {
    get: (...args) =>
      failures-- > 0 ? Promise.reject(new ConflictError("The object has another ETag")) : store.get(...args),
  });
  assert.deepEqual((await site.loadWhole()).plain, version(1));
});

Deno.test("load() takes over a big part that another program cached when the CDN confirms its digest, and only then", async () => {
  for (const [digest, source] of [["right", "cache"], ["wrong", "cdn"], ["none", "cdn"]] as const) {
    await using site = await ResourceSite.open();
    await site.publish(version(1));
    await Deno.remove(`${site.cachedPath}.json`);
    const md5 = createHash("md5").update(await Deno.readFile(site.cachedPath)).digest("hex");
    const { store } = site;
    const digests = { right: { md5 }, wrong: { md5: "0".repeat(32) }, none: {} }[digest];
    site.store = altered(store, { head: async (...args) => ({ ...await facts(store, args), digests }) });
    if (digest === "wrong") {
      const { body } = await site.load(RESOURCE);
      await assert.rejects(collect(body, 200_000), IntegrityError, "a download with a wrong digest");
      continue;
    }
    assert.deepEqual(await site.loadWhole(), { plain: version(1), source, sizeBytes: 100_000 }, digest);
  }
});

Deno.test("load() notices a flipped bit in the cache before the last piece leaves, and fetches anew next time", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1, 2_000_000));
  const file = await Deno.readFile(site.cachedPath);
  file[1_000_000] = (file[1_000_000] ?? 0) ^ 1;
  await Deno.writeFile(site.cachedPath, file);
  let received = 0;
  await assert.rejects(async () => {
    for await (const chunk of (await site.load(RESOURCE)).body) received += chunk.byteLength;
  }, IntegrityError);
  assert.ok(received < 2_000_000, `${received} bytes left`);
  assert.deepEqual(await site.loadWhole(), { plain: version(1, 2_000_000), source: "cdn", sizeBytes: 2_000_000 });
});

Deno.test("load() uses no cached part whose end was cut off", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  await Deno.truncate(site.cachedPath, 50_000);
  assert.deepEqual(await site.loadWhole(), { plain: version(1), source: "cdn", sizeBytes: 100_000 });
});

Deno.test("load() goes on where a download breaks off, with the same object or not at all", async () => {
  await using site = await ResourceSite.open();
  await site.publisher().publish(version(1, 2_000_000));
  const { store } = site;
  site.store = altered(store, { get: (...args) => args[2]?.range ? store.get(...args) : broken(store, args) });
  assert.deepEqual(await site.loadWhole(), { plain: version(1, 2_000_000), source: "cdn", sizeBytes: 2_000_000 });

  await site.publisher().publish(version(2, 2_000_000));
  const replaced = async (...args: Parameters<ObjectStore["get"]>) => {
    if (args[2]?.range === undefined) return await broken(store, args);
    if (!isTail(args[2])) await other.publish(version(3, 2_000_000));
    return await store.get(...args);
  };
  const other = site.publisher();
  site.store = altered(store, { get: replaced });
  const { body } = await site.load(RESOURCE);
  await assert.rejects(collect(body, 3_000_000), { name: "PartsApartError" });
});

Deno.test("load() keeps nothing of a download that breaks, is wrong or is given up", async () => {
  const faults: [string, (store: ObjectStore) => Partial<ObjectStore>][] = [
    ["breaks", (store) => ({
      get: (...args) => isTail(args[2]) ? store.get(...args) : args[2]?.range ? away() : broken(store, args),
    })],
    ["wrong", (store) => ({ head: async (...args) => ({ ...await facts(store, args), digests: { crc32: 1 } }) })],
  ];
  for (const [fault, changes] of faults) {
    await using site = await ResourceSite.open();
    await site.publisher().publish(version(1, 2_000_000));
    site.store = altered(site.store, changes(site.store));
    const { body } = await site.load(RESOURCE);
    await assert.rejects(collect(body, 3_000_000), fault);
    assert.deepEqual(await site.cachedFiles(), [], fault);
  }
  await using site = await ResourceSite.open();
  await site.publisher().publish(version(1, 9_000_000));
  const reader = (await site.load(RESOURCE)).body.getReader();
  await reader.read();
  await reader.cancel();
  assert.deepEqual(await site.cachedFiles(), [], "given up");
});

Deno.test("load() says what is missing", async () => {
  await using site = await ResourceSite.open();
  await assert.rejects(site.load(RESOURCE), NotFoundError);
  await site.publisher().publish(version(1));
  await site.store.delete(RESOURCE.folder, `${RESOURCE.name}.big`);
  await assert.rejects(site.load(RESOURCE), { name: "NotFoundError", message: /models\/detector.onnx.*no big part/ });
});

Deno.test("load() with a wrong key leaves the cache as it is", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  const before = await site.cachedFiles();
  const refused: unknown[] = [];
  for (const word of ["one", "two", "three", "four"]) { // each fits by chance in one of 256 cases
    const loaded = site.load({ ...RESOURCE, key: await aesKey(word) });
    await loaded.then(({ body }) => body.cancel(), (error) => refused.push(error));
  }
  assert.ok(refused.length > 0);
  for (const error of refused) assert.match(String(error), /IntegrityError: .*the key is another one/);
  assert.deepEqual(await site.cachedFiles(), before);
  site.store = altered(site.store, { head: away, get: away });
  assert.deepEqual((await site.loadWhole()).plain, version(1));
});

Deno.test("load() does without a cache that can be neither read nor written", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  await Deno.remove(site.cachePath, { recursive: true });
  for (const path of [".staging", `${RESOURCE.folder}/${RESOURCE.name}.big.json/full`]) {
    await Deno.mkdir(`${site.cachePath}/${path}`, { recursive: true });
  }
  await Deno.remove(`${site.cachePath}/.staging`);
  await Deno.writeTextFile(`${site.cachePath}/.staging`, "no folder");
  assert.deepEqual(await site.loadWhole(), { plain: version(1), source: "cdn", sizeBytes: 100_000 });
});

Deno.test("load() does without a cache whose record is a lie of any size", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  await Deno.writeFile(`${site.cachedPath}.json`, new Uint8Array(20_000));
  assert.deepEqual(await site.loadWhole(), { plain: version(1), source: "cdn", sizeBytes: 100_000 });
});

Deno.test("load() uses a big part that the CDN confirms although it cannot write that down", async () => {
  await using site = await ResourceSite.open();
  await site.publish(version(1));
  const { store } = site;
  const big = await Deno.readFile(site.cachedPath);
  await Deno.remove(`${site.cachedPath}.json`);
  await Deno.mkdir(`${site.cachedPath}.json/full`, { recursive: true });
  site.store = altered(store, {
    head: async (...args) => ({ ...await facts(store, args), digests: { sha256: sha256(big) } }),
  });
  assert.deepEqual(await site.loadWhole(), { plain: version(1), source: "cache", sizeBytes: 100_000 });
});

function smallPart(site: ResourceSite): Bytes {
  const small = site.smallParts.get(SMALL_NAME);
  assert.ok(small);
  return small;
}

function sha256(...parts: readonly Bytes[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

async function facts(store: ObjectStore, args: Parameters<ObjectStore["head"]>) {
  const found = await store.head(...args);
  assert.ok(found);
  return found;
}

/** Whether only the end is asked for. */
function isTail({ range }: GetOptions = {}): boolean {
  return range !== undefined && "start" in range && range.start > 1_900_000;
}

async function broken(store: ObjectStore, args: Parameters<ObjectStore["get"]>) {
  const object = await store.get(...args);
  const reader = object.body.getReader();
  let pieces = 0;
  const body = byteStream(async () => {
    if (++pieces > 2) throw new UnavailableError("CDN", "The connection broke");
    return (await reader.read()).value;
  }, () => reader.cancel());
  return { ...object, body };
}

Deno.test("load() takes the big part from a medium when the CDN confirms all of its bytes, and from the CDN when not", async () => {
  await using site = await ResourceSite.open();
  await site.publisher().publish(version(1));
  const key = `${RESOURCE.name}.big`;
  const big = await Deno.readFile(join(site.cdnPath, RESOURCE.folder, key));
  const store = site.store;
  const sha256 = createHash("sha256").update(big).digest("hex");
  const withDigest: ObjectStore["head"] = async (...args) => {
    const facts = await store.head(...args);
    return facts && { ...facts, digests: { sha256 } };
  };
  const onMedium = join(site.mediumPath, RESOURCE.folder, key);
  await Deno.mkdir(join(site.mediumPath, RESOURCE.folder), { recursive: true });
  await Deno.writeFile(onMedium, big);
  site.store = altered(store, { head: withDigest, get: away });
  assert.deepEqual(await site.loadWhole(), { plain: version(1), source: "media", sizeBytes: 100_000 });
  assert.equal((await site.loadWhole()).source, "cache");

  for (const [what, bytes] of [["changed", big.with(50_000, (big[50_000] ?? 0) ^ 1)], ["cut", big.slice(1)]] as const) {
    await site.cache.evict(RESOURCE);
    await Deno.writeFile(onMedium, bytes);
    site.store = altered(store, { head: withDigest });
    assert.equal((await site.loadWhole()).source, "cdn", what);
  }
  await site.cache.evict(RESOURCE);
  await Deno.writeFile(onMedium, big);
  site.store = store; // without a digest, nothing says which version lies there
  assert.equal((await site.loadWhole()).source, "cdn");
});
