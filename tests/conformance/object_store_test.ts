import assert from "node:assert/strict";
import type { Bytes } from "../../lib/bytes.ts";
import { DigestCheck } from "../../lib/cdn/digest.ts";
import { resolveRange } from "../../lib/cdn/range.ts";
import type { ByteRange, ObjectStore, StoredObject } from "../../lib/cdn/store.ts";
import {
  ConflictError,
  IntegrityError,
  InterruptedError,
  InvalidInputError,
  NotAllowedError,
  NotFoundError,
} from "../../lib/errors.ts";
import { byteReader, collect } from "../../lib/streams.ts";
import { HOSTILE_NAMES } from "../support/hostile_names.ts";
import { keystream } from "../support/keystream.ts";
import { sourceOf } from "../support/object_source.ts";
import { BUCKET, directorySite, type ObjectSite, originSite, s3Site, staticSite } from "../support/object_sites.ts";
import { peerPath } from "../support/peers.ts";

const LIMIT_BYTES = 64 * 1024 * 1024;
/** More than two parts of an upload in parts, and no whole number of them. */
const BIG_BYTES = 20 * 1024 * 1024 + 17;
const PAIRED_WITH = "0123456789abcdef".repeat(4);

interface Subject {
  readonly open: () => Promise<ObjectSite>;
  readonly writes: boolean;
  /** Keeps `pairedWith`. */
  readonly pairs: boolean;
  /** The peer that it needs is missing. */
  readonly ignore: boolean;
}

const versitygw = peerPath("versitygw");

const SUBJECTS: Readonly<Record<string, Subject>> = {
  "directory": { open: directorySite, writes: true, pairs: false, ignore: false },
  "http, origin": { open: originSite, writes: true, pairs: true, ignore: false },
  "http, plain web server": {
    open: () => staticSite({ ignoresRanges: false }),
    writes: false,
    pairs: false,
    ignore: false,
  },
  "http, server without ranges": {
    open: () => staticSite({ ignoresRanges: true }),
    writes: false,
    pairs: false,
    ignore: false,
  },
  "s3, versitygw": { open: () => s3Site(versitygw ?? ""), writes: true, pairs: true, ignore: versitygw === undefined },
};

async function bytesOf({ body }: StoredObject): Promise<Bytes> {
  return await collect(body, LIMIT_BYTES);
}

async function keysOf(store: ObjectStore, bucket = BUCKET): Promise<{ key: string; sizeBytes: number }[]> {
  return await Array.fromAsync(store.list(bucket));
}

/** Holds for every store. */
const READING: Readonly<Record<string, (site: ObjectSite) => Promise<void>>> = {
  "get() and head() give what was put there"({ store, seed }) {
    return eachOf([0, 1, 70_000], async (sizeBytes) => {
      const bytes = keystream("whole", sizeBytes);
      await seed("whole.big", bytes);
      const object = await store.get(BUCKET, "whole.big");
      assert.deepEqual(await bytesOf(object), bytes);
      const facts = await store.head(BUCKET, "whole.big");
      assert.deepEqual([object.sizeBytes, object.totalBytes, facts?.sizeBytes], [sizeBytes, sizeBytes, sizeBytes]);
      assert.match(object.etag, /^[^"]+$/);
      assert.equal(facts?.etag, object.etag);
      const check = new DigestCheck(facts.digests, facts.sizeBytes);
      check.update(bytes);
      check.verify();
    });
  },

  async "get() gives the bytes of every kind of range, and no others"({ store, seed }) {
    const bytes = keystream("ranges", 1000);
    await seed("ranges.big", bytes);
    await seed("empty.big", new Uint8Array(0));
    const ranges: ByteRange[] = [
      ...[{ start: 0 }, { start: 0, end: 1 }, { start: 1, end: 999 }, { start: 0, end: 1000 }, { start: 999 }],
      ...[{ start: 990, end: 5000 }, { start: 1000 }, { start: 1001, end: 2000 }, { start: 5, end: 5 }, {
        start: 7,
        end: 3,
      }],
      ...[{ last: 0 }, { last: 1 }, { last: 999 }, { last: 1000 }, { last: 5000 }],
    ];
    await eachOf(ranges, async (range) => {
      const { start, end } = resolveRange(range, 1000);
      const object = await store.get(BUCKET, "ranges.big", { range });
      assert.deepEqual(await bytesOf(object), bytes.slice(start, end));
      assert.deepEqual([object.sizeBytes, object.totalBytes], [end - start, 1000]);
      const empty = await store.get(BUCKET, "empty.big", { range });
      assert.deepEqual([(await bytesOf(empty)).byteLength, empty.sizeBytes, empty.totalBytes], [0, 0, 0]);
    });
    for (const range of [{ start: -1 }, { start: 0, end: 1.5 }, { last: NaN }]) {
      await assert.rejects(store.get(BUCKET, "ranges.big", { range }), RangeError);
    }
  },

  async "get() with ifMatch gives the object of this ETag or fails"({ store, seed }) {
    await seed("match.big", keystream("first", 1000));
    const { etag, body } = await store.get(BUCKET, "match.big");
    await body.cancel();
    const ranges = [undefined, { start: 10, end: 20 }, { start: 1000 }, { last: 0 }];
    for (const range of ranges) {
      const options = { ifMatch: etag, ...(range === undefined ? {} : { range }) };
      await (await store.get(BUCKET, "match.big", options)).body.cancel();
    }
    const second = keystream("second", 1000);
    await seed("match.big", second);
    await eachOf(ranges, async (range) => {
      const options = { ifMatch: etag, ...(range === undefined ? {} : { range }) };
      await assert.rejects(store.get(BUCKET, "match.big", options), ConflictError);
    });
    const object = await store.get(BUCKET, "match.big");
    assert.notEqual(object.etag, etag, "another object has another ETag");
    assert.deepEqual(await bytesOf(object), second);
  },

  async "missing objects and buckets are not found"({ store }) {
    for (const [bucket, key] of [[BUCKET, "missing.big"], ["no-such-bucket", "a.big"]] as const) {
      assert.equal(await store.head(bucket, key), undefined);
      await assert.rejects(store.get(bucket, key), NotFoundError);
      await assert.rejects(store.get(bucket, key, { range: { last: 5 }, ifMatch: "a" }), NotFoundError);
    }
  },

  async "a body that is given up releases everything"({ store, seed }) {
    await seed("cancelled.big", keystream("cancelled", 3 * 1024 * 1024));
    const { body } = await store.get(BUCKET, "cancelled.big");
    const reader = byteReader(body);
    assert.equal((await reader.read(10)).byteLength, 10);
    await reader.cancel(new Error("enough"));
    await (await store.get(BUCKET, "cancelled.big", { range: { start: 5, end: 3_000_000 } })).body.cancel();
  },

  async "an aborted signal ends head(), get(), list() and a body"({ store, seed }) {
    await seed("aborted.big", keystream("aborted", 3 * 1024 * 1024));
    const signal = AbortSignal.abort();
    await assert.rejects(store.head(BUCKET, "aborted.big", { signal }), InterruptedError);
    await assert.rejects(store.get(BUCKET, "aborted.big", { signal }), InterruptedError);
    await assert.rejects(Array.fromAsync(store.list(BUCKET, { signal })), InterruptedError);
    const abort = new AbortController();
    const { body } = await store.get(BUCKET, "aborted.big", { signal: abort.signal });
    const reader = byteReader(body);
    await reader.read(10);
    abort.abort();
    await assert.rejects(async () => {
      while ((await reader.read(256 * 1024)).byteLength > 0);
    }, InterruptedError);
  },

  async "hostile names reach nothing"({ store }) {
    const bytes = keystream("hostile", 10);
    const hostile = HOSTILE_NAMES.filter((name) => name.length < 129).concat("x".repeat(256));
    await eachOf(hostile, async (name) => {
      for (const [bucket, key] of [[BUCKET, name], [name, "a.big"]] as const) {
        await assert.rejects(store.head(bucket, key), InvalidInputError);
        await assert.rejects(store.get(bucket, key), InvalidInputError);
        await assert.rejects(store.put(bucket, key, sourceOf(bytes)), InvalidInputError);
        await assert.rejects(store.delete(bucket, key), InvalidInputError);
      }
      await assert.rejects(keysOf(store, name), InvalidInputError);
    });
  },

  async "who may only read writes and removes nothing"({ readOnly, seed }) {
    if (readOnly === undefined) return; // a folder has no users
    const bytes = keystream("kept", 1000);
    await seed("kept.big", bytes);
    for (const size of [10, 9 * 1024 * 1024]) {
      await assert.rejects(readOnly.put(BUCKET, "kept.big", sourceOf(keystream("new", size))), NotAllowedError);
      await assert.rejects(readOnly.put(BUCKET, "other.big", sourceOf(keystream("new", size))), NotAllowedError);
    }
    await assert.rejects(readOnly.delete(BUCKET, "kept.big"), NotAllowedError);
    assert.deepEqual(await bytesOf(await readOnly.get(BUCKET, "kept.big")), bytes);
    assert.equal(await readOnly.head(BUCKET, "other.big"), undefined);
  },
};

/** Holds for stores that can be written to. */
const WRITING: Readonly<Record<string, (site: ObjectSite, subject: Subject) => Promise<void>>> = {
  "put() replaces an object as a whole and tells its facts"({ store }, { pairs }) {
    return eachOf([0, 1, 70_000, 5 * 1024 * 1024, 5 * 1024 * 1024 + 1], async (sizeBytes) => {
      const bytes = keystream(`put ${sizeBytes}`, sizeBytes);
      const facts = await store.put(BUCKET, "put.big", sourceOf(bytes), { pairedWith: PAIRED_WITH });
      assert.equal(facts.sizeBytes, sizeBytes);
      assert.equal(facts.pairedWith, pairs ? PAIRED_WITH : undefined);
      assert.deepEqual(await store.head(BUCKET, "put.big"), facts);
      assert.deepEqual(await bytesOf(await store.get(BUCKET, "put.big", { ifMatch: facts.etag })), bytes);
    });
  },

  async "put() without a pairing takes the former one away"({ store }) {
    await store.put(BUCKET, "pair.big", sourceOf(keystream("one", 10)), { pairedWith: PAIRED_WITH });
    await store.put(BUCKET, "pair.big", sourceOf(keystream("two", 10)));
    assert.equal((await store.head(BUCKET, "pair.big"))?.pairedWith, undefined);
  },

  async "put() takes a big object, tells its progress and gives digests that hold"({ store }) {
    const bytes = keystream("big", BIG_BYTES);
    const progress: number[] = [];
    const put = await store.put(BUCKET, "big.big", sourceOf(bytes), { onProgress: (sent) => void progress.push(sent) });
    assert.equal(progress.at(-1), BIG_BYTES);
    assert(progress.length >= 3 && progress.every((sent, index) => sent > (progress[index - 1] ?? 0)));
    const { body, etag } = await store.get(BUCKET, "big.big");
    assert.equal(etag, put.etag);
    const check = new DigestCheck(put.digests, BIG_BYTES);
    const read = await collect(body, LIMIT_BYTES);
    check.update(read);
    check.verify();
    assert.deepEqual(read, bytes);
    await store.delete(BUCKET, "big.big");
  },

  async "put() of a source that fails, or is not as large as it says, changes nothing"({ store }) {
    const kept = keystream("kept", 100);
    await store.put(BUCKET, "source.big", sourceOf(kept));
    const disk = new Error("the disk cannot be read");
    const broken = (offset: number, at: number) => {
      if (offset >= at) throw disk;
    };
    for (const size of [200_000, BIG_BYTES]) {
      const bytes = keystream("source", size);
      for (const key of ["source.big", "new.big"]) {
        const cases = [
          [sourceOf(bytes, { sizeBytes: size + 1 }), IntegrityError],
          [sourceOf(bytes, { sizeBytes: size - 1 }), IntegrityError],
          [sourceOf(bytes, { onPiece: (offset) => broken(offset, size / 2) }), disk],
        ] as const;
        for (const [source, error] of cases) await assert.rejects(store.put(BUCKET, key, source), error);
      }
    }
    assert.deepEqual(await bytesOf(await store.get(BUCKET, "source.big")), kept);
    assert.equal(await store.head(BUCKET, "new.big"), undefined);
    assert(!(await keysOf(store)).some(({ key }) => key === "new.big"));
  },

  async "put() and delete() that are aborted change nothing"({ store }) {
    const kept = keystream("kept", 100);
    await store.put(BUCKET, "abort.big", sourceOf(kept));
    const gone = AbortSignal.abort();
    await assert.rejects(store.put(BUCKET, "abort.big", sourceOf(kept), { signal: gone }), InterruptedError);
    await assert.rejects(store.delete(BUCKET, "abort.big", { signal: gone }), InterruptedError);
    const abort = new AbortController();
    const stop = (offset: number) => {
      if (offset > BIG_BYTES / 2) abort.abort();
    };
    const source = sourceOf(keystream("abort", BIG_BYTES), { onPiece: stop });
    await assert.rejects(store.put(BUCKET, "abort.big", source, { signal: abort.signal }), InterruptedError);
    assert.deepEqual(await bytesOf(await store.get(BUCKET, "abort.big")), kept);
  },

  async "simultaneous put() leaves one of the objects, whole"({ store }) {
    const all = [1, 2, 3, 4].map((number) => keystream(`put ${number}`, 300_000 + number));
    await Promise.allSettled(all.map((bytes) => store.put(BUCKET, "race.big", sourceOf(bytes))));
    const bytes = await bytesOf(await store.get(BUCKET, "race.big"));
    assert(all.some((candidate) => Deno.inspect(candidate.slice(0, 64)) === Deno.inspect(bytes.slice(0, 64))));
    assert(all.some((candidate) => candidate.byteLength === bytes.byteLength));
  },

  async "delete() removes the object, and again without an error"({ store }) {
    await store.put(BUCKET, "deleted.big", sourceOf(keystream("deleted", 100)));
    await store.delete(BUCKET, "deleted.big");
    assert.equal(await store.head(BUCKET, "deleted.big"), undefined);
    await store.delete(BUCKET, "deleted.big");
  },

  async "list() gives keys in order with their sizes, and none for a bucket that is not there"({ store }) {
    const names = ["list-b.big", "list-a.big", "list-B.big", "list-a.big.1", "list-10.big", "list-9.big"];
    for (const [index, key] of names.entries()) await store.put(BUCKET, key, sourceOf(keystream(key, index)));
    const expected = names.map((key, sizeBytes) => ({ key, sizeBytes })).sort((a, b) => a.key < b.key ? -1 : 1);
    assert.deepEqual((await keysOf(store)).filter(({ key }) => key.startsWith("list-")), expected);
    assert.deepEqual(await keysOf(store, "no-such-bucket"), []);
  },
};

async function eachOf<T>(cases: readonly T[], check: (value: T) => Promise<void>): Promise<void> {
  for (const value of cases) {
    try {
      await check(value);
    } catch (error) {
      throw new Error(`with ${JSON.stringify(value)}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }
}

for (const [name, subject] of Object.entries(SUBJECTS)) {
  const cases = { ...READING, ...(subject.writes ? WRITING : {}) };
  for (const [behaviour, check] of Object.entries(cases)) {
    Deno.test({
      name: `object store (${name}): ${behaviour}`,
      ignore: subject.ignore,
      fn: async () => {
        await using site = await subject.open();
        await check(site, subject);
      },
    });
  }
}
