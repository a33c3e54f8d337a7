import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Bytes } from "../../../../lib/bytes.ts";
import {
  ConflictError,
  DiskFullError,
  IntegrityError,
  InterruptedError,
  NotFoundError,
  UnavailableError,
} from "../../../../lib/errors.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import { download } from "../../../../lib/http/download.ts";
import type {
  BadSegment,
  DownloadRequest,
  RunningDigest,
  TransferOptions,
} from "../../../../lib/http/download_request.ts";
import { httpSource, type RangeSource } from "../../../../lib/http/range_source.ts";
import { watched } from "../../../../lib/streams.ts";
import type { Clock } from "../../../../lib/system/clock.ts";
import { hurriedClock } from "../../../support/hurried_clock.ts";
import { keystream } from "../../../support/keystream.ts";
import { type RangeServer, rangeServer } from "../../../support/range_server.ts";
import { tempFolder } from "../../../support/temp_folder.ts";
import { testClock } from "../../../support/test_clock.ts";

const SEGMENT = 64 * 1024;
const SIZE = 40 * SEGMENT + 77;
const CONTENT = keystream("download", SIZE);

function source(server: RangeServer, name = "file", options: { stallMs?: number } = {}): RangeSource {
  const address = () => Promise.resolve({ url: new URL(name, server.url) });
  return httpSource({ name, service: "CDN", http: httpClient("CDN"), address, ...options });
}

function options(more: Partial<TransferOptions> = {}): TransferOptions {
  return { clock: testClock(), signal: new AbortController().signal, ...more };
}

function sha256(expected: Uint8Array): () => RunningDigest {
  const wanted = createHash("sha256").update(expected).digest("hex");
  return () => {
    const hash = createHash("sha256");
    return { update: (chunk: Bytes) => void hash.update(chunk), matches: () => hash.digest("hex") === wanted };
  };
}

function segmentHashes(bytes: Uint8Array): (index: number, segment: Bytes) => boolean {
  const hash = (segment: Uint8Array) => createHash("sha256").update(segment).digest("hex");
  return (index, segment) => hash(segment) === hash(bytes.subarray(index * SEGMENT, (index + 1) * SEGMENT));
}

async function site() {
  const folder = await tempFolder();
  const server = rangeServer();
  server.files.set("file", { bytes: CONTENT, etag: "v1" });
  const path = join(folder.path, "file.bin");
  const request: DownloadRequest = { path, identity: "file", sources: [source(server)], segmentBytes: SEGMENT };
  return {
    server,
    path,
    request,
    names: () => Array.fromAsync(Deno.readDir(folder.path), ({ name }) => name),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** On it, a second range makes nothing faster, and is given up. */
function steadyClock(): Clock {
  let nowMs = 0;
  return { ...testClock(), now: () => nowMs += 200 };
}

/** Not by deepEqual(), which takes minutes to tell how two long arrays differ. */
async function assertHolds(path: string, expected: Uint8Array, message?: string): Promise<void> {
  assert(Buffer.compare(await Deno.readFile(path), expected) === 0, message ?? "the file holds other bytes");
}

/** Bytes of the file that the server has sent more than once, or would have. */
function sentBytes(server: RangeServer): number {
  return server.seen.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
}

Deno.test("download() brings every size round the borders of segments and runs, of known and of unknown size", async () => {
  await using here = await site();
  const { server, path, request } = here;
  for (const size of [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1]) {
    const bytes = keystream("download", size);
    server.files.set("file", { bytes, etag: `v${size}` });
    for (const sizeBytes of [size, undefined]) {
      for (const digest of [sha256(bytes), undefined]) {
        const result = await download({ ...request, identity: `${size}`, sizeBytes, digest }, options());
        assert.deepEqual(result, { sizeBytes: size, fetchedBytes: size, reusedBytes: 0 });
        await assertHolds(path, bytes, `${size} bytes, known ${sizeBytes}`);
      }
    }
  }
  assert.deepEqual(await here.names(), ["file.bin"]);
});

Deno.test("download() goes on where a range was broken off, and fetches at most one segment of it again", async () => {
  await using here = await site();
  const { server, path, request } = here;
  server.fault = (_, number) => number < 5 ? { cutAfter: 5 * SEGMENT + 1000 } : undefined;
  const clock = testClock();
  await download({ ...request, digest: sha256(CONTENT) }, options({ clock, maxRanges: 1 }));
  await assertHolds(path, CONTENT);
  assert(sentBytes(server) - SIZE <= 5 * SEGMENT, `${sentBytes(server) - SIZE} bytes came twice`);
  assert.equal(clock.sleeps.length, 5);
});

Deno.test("download() goes on in the next run with what the one before has left", async () => {
  await using here = await site();
  const { server, path, request } = here;
  server.fault = (_, number) => number > 0 ? { status: 404 } : { cutAfter: 10 * SEGMENT + 5 };
  await assert.rejects(download(request, options()), NotFoundError);
  assert.deepEqual((await here.names()).sort(), [".file.bin.part", ".file.bin.part.journal"]);
  server.fault = () => undefined;
  const { reusedBytes, fetchedBytes } = await download(request, options());
  assert.deepEqual([reusedBytes, fetchedBytes], [10 * SEGMENT, SIZE - 10 * SEGMENT]);
  await assertHolds(path, CONTENT);
  assert.deepEqual(await here.names(), ["file.bin"]);
});

Deno.test("download() uses nothing of a journal whose segments, object or lengths are others by now", async () => {
  await using here = await site();
  const { server, path, request } = here;
  const leave = async () => {
    server.seen.length = 0;
    server.fault = (_, number) => number > 0 ? { status: 404 } : { cutAfter: 10 * SEGMENT + 5 };
    await assert.rejects(download(request, options()), NotFoundError);
    server.fault = () => undefined;
  };
  await leave();
  const other = await download({ ...request, identity: "another" }, options());
  assert.equal(other.reusedBytes, 0);

  await leave();
  const partial = join(path, "../.file.bin.part");
  using data = Deno.openSync(partial, { write: true });
  data.seekSync(3 * SEGMENT + 9, Deno.SeekMode.Start);
  data.writeSync(Uint8Array.of(0));
  data.seekSync(3 * SEGMENT + 9, Deno.SeekMode.Start);
  data.writeSync(Uint8Array.of((CONTENT[3 * SEGMENT + 9] ?? 0) ^ 1));
  const damaged = await download(request, options());
  assert.equal(damaged.reusedBytes, 9 * SEGMENT);
  await assertHolds(path, CONTENT);

  await leave();
  server.files.set("file", { bytes: CONTENT.toReversed(), etag: "v2" });
  const changed = await download(request, options());
  assert.equal(changed.reusedBytes, 0);
  await assertHolds(path, CONTENT.toReversed());
});

Deno.test("download() begins anew when the object changes on the way, and gives up when it keeps changing", async () => {
  await using here = await site();
  const { server, path, request } = here;
  const other = keystream("download", SIZE + 5).toReversed();
  server.fault = (_, number) => {
    if (number === 0) return { cutAfter: 3 * SEGMENT };
    server.files.set("file", { bytes: other, etag: "v2" });
  };
  await download(request, options());
  await assertHolds(path, other);

  server.seen.length = 0;
  server.fault = (_, number) => {
    server.files.set("file", { bytes: other, etag: `v${number}` });
    return { cutAfter: SEGMENT };
  };
  await assert.rejects(download({ ...request, path: `${path}.2` }, options()), ConflictError);
  assert(!(await here.names()).includes("file.bin.2"));
});

Deno.test("download() fetches a bad segment again alone, from another source, and tells of it", async () => {
  await using here = await site();
  const { server, path, request } = here;
  server.files.set("mirror", { bytes: CONTENT, etag: "m1" });
  server.fault = ({ path: name }) => name === "mirror" ? { flipAt: 7 * SEGMENT + 3 } : undefined;
  const bad: BadSegment[] = [];
  const sources = [source(server, "mirror"), source(server)];
  const wanted = { ...request, sources, sizeBytes: SIZE, verify: segmentHashes(CONTENT) };
  const { fetchedBytes } = await download(wanted, options({ onBadSegment: (one) => bad.push(one) }));
  assert.deepEqual(bad, [{ index: 7, source: "mirror" }]);
  await assertHolds(path, CONTENT);
  assert.equal(fetchedBytes, SIZE + SEGMENT);
  const asked = server.seen.filter(({ path }) => path === "file").map(({ headers }) => headers.get("range"));
  assert.deepEqual(asked, [`bytes=${7 * SEGMENT}-${8 * SEGMENT - 1}`]);
});

Deno.test("download() leaves a source that is gone, or that often sends wrong bytes", async () => {
  await using here = await site();
  const { server, path, request } = here;
  server.files.set("wrong", { bytes: CONTENT.toReversed() });
  const sources = [source(server, "gone"), source(server, "wrong"), source(server)];
  const wanted = { ...request, sources, sizeBytes: SIZE, verify: segmentHashes(CONTENT) };
  await download(wanted, options());
  await assertHolds(path, CONTENT);
  const ofWrong = server.seen.filter(({ path }) => path === "wrong");
  assert.equal(ofWrong.length, 1);
});

Deno.test("download() gives a segment up that no source has right, and leaves no file", async () => {
  await using here = await site();
  const { server, request } = here;
  server.fault = () => ({ flipAt: 5 });
  const wanted = { ...request, sizeBytes: SIZE, verify: segmentHashes(CONTENT) };
  await assert.rejects(download(wanted, options()), IntegrityError);
  assert(!(await here.names()).includes("file.bin"));
});

Deno.test("download() leaves nothing when all of it came and the digest is wrong", async () => {
  await using here = await site();
  const { server, request } = here;
  for (const sizeBytes of [SIZE, undefined]) {
    server.fault = () => ({ flipAt: 5 });
    const wanted = { ...request, sizeBytes, digest: sha256(CONTENT) };
    await assert.rejects(download(wanted, options()), IntegrityError);
    assert.deepEqual(await here.names(), []);
  }
});

Deno.test("download() reads everything in one stream from a server without ranges, and skips what it has", async () => {
  await using here = await site();
  const { server, path, request } = here;
  server.ignoresRanges = true;
  server.fault = (_, number) => number === 0 ? { cutAfter: 12 * SEGMENT } : undefined;
  const { fetchedBytes } = await download(request, options());
  await assertHolds(path, CONTENT);
  assert.equal(server.seen.length, 2);
  assert.equal(fetchedBytes, 12 * SEGMENT + SIZE);
});

Deno.test("download() takes a body of unknown length or version as it is, and all of it again after a break", async () => {
  await using here = await site();
  const { server, path, request } = here;
  server.files.set("file", { bytes: CONTENT });
  for (const ignoresRanges of [true, false]) {
    server.ignoresRanges = ignoresRanges;
    server.seen.length = 0;
    server.fault = (_, number) => number < 2 ? { cutAfter: 9 * SEGMENT } : undefined;
    await download(request, options());
    await assertHolds(path, CONTENT);
    assert.equal(server.seen.length, 3);
  }
  server.hidesSize = server.ignoresRanges = true;
  await download(request, options());
  await assertHolds(path, CONTENT);
});

Deno.test("download() waits as long as Retry-After asks, and gives up after its attempts without progress", async () => {
  await using here = await site();
  const { server, path, request } = here;
  server.fault = (_, number) => number < 3 ? { status: 503, headers: { "retry-after": "7" } } : undefined;
  const clock = testClock();
  await download(request, options({ clock }));
  assert.deepEqual(clock.sleeps, [7000, 7000, 7000]);

  server.fault = () => ({ status: 429 });
  const patient = testClock();
  await assert.rejects(download(request, options({ clock: patient })), UnavailableError);
  assert.equal(patient.sleeps.length, 7);
  await Deno.remove(path);
  await assert.rejects(download(request, options()), UnavailableError);
  assert.deepEqual(await here.names(), []);
});

Deno.test("download() asks anew when a body falls silent", async () => {
  await using here = await site();
  const { server, path, request } = here;
  server.fault = (_, number) => number === 0 ? { stallAfter: 3 * SEGMENT } : undefined;
  await download({ ...request, sources: [source(server, "file", { stallMs: 50 })] }, options());
  await assertHolds(path, CONTENT);
});

Deno.test("download() that is cancelled leaves what the next one goes on with", async () => {
  await using here = await site();
  const { path, request } = here;
  const controller = new AbortController();
  const onProgress = (doneBytes: number) => doneBytes > 8 * SEGMENT && controller.abort();
  await assert.rejects(download(request, options({ signal: controller.signal, onProgress })), InterruptedError);
  const { reusedBytes } = await download(request, options());
  assert(reusedBytes > 8 * SEGMENT);
  await assertHolds(path, CONTENT);
});

Deno.test("download() is refused while another one writes to the same place", async () => {
  await using here = await site();
  const { path, request } = here;
  const second: Promise<unknown>[] = [];
  const onProgress = () => {
    if (second.length === 0) second.push(assert.rejects(download(request, options()), ConflictError));
  };
  await download(request, options({ onProgress }));
  assert.equal(second.length, 1);
  await Promise.all(second);
  await assertHolds(path, CONTENT);
});

Deno.test("download() asks for no byte when the disk has no room, and leaves nothing", async () => {
  await using here = await site();
  const { server, request } = here;
  const wanted = { ...request, sizeBytes: 2 ** 52, verify: () => true };
  await assert.rejects(download(wanted, options()), DiskFullError);
  assert.equal(server.seen.length, 0);
  assert.deepEqual(await here.names(), []);
});

Deno.test("download() writes through no link that stands in its way", async () => {
  await using here = await site();
  const { path, request } = here;
  const victim = join(path, "../victim");
  await Deno.writeTextFile(victim, "untouched");
  await Deno.symlink(victim, join(path, "../.file.bin.part"));
  await assert.rejects(download(request, options()), ConflictError);
  await Deno.remove(join(path, "../.file.bin.part"));
  await Deno.symlink(victim, path);
  await download(request, options());
  assert.equal(await Deno.readTextFile(victim), "untouched");
  assert((await Deno.lstat(path)).isFile);
});

Deno.test("download() by many ranges brings each byte once, and all of them, in whatever order they come", async () => {
  await using here = await site();
  const { server, path, request } = here;
  let most = 0;
  let open = 0;
  for (const shrinks of [false, true]) {
    for (let round = 0; round < 10; round++) {
      const counted: RangeSource = {
        name: "counted",
        async open(...args) {
          most = Math.max(most, ++open);
          const opened = await source(server).open(...args);
          return { ...opened, body: watched(opened.body, { look: () => {}, end: () => open--, drop: () => open-- }) };
        },
      };
      const clock = shrinks && round % 2 === 0 ? steadyClock() : hurriedClock();
      const wanted = {
        ...request,
        sizeBytes: SIZE,
        segmentBytes: 8 * 1024,
        sources: [counted],
        digest: sha256(CONTENT),
      };
      const { fetchedBytes } = await download(wanted, options({ clock }));
      assert.equal(fetchedBytes, SIZE);
      await assertHolds(path, CONTENT);
    }
  }
  assert(most > 4, `${most} at a time`);
});

Deno.test("download() refuses several sources of which nobody knows what they must send", async () => {
  await using here = await site();
  const { request } = here;
  const sources = [...request.sources, ...request.sources];
  await assert.rejects(download({ ...request, sources }, options()), TypeError);
});

Deno.test("download() gives a sink each segment once, those that a run before has left first, and leaves it what it keeps", async () => {
  await using here = await site();
  const { server, path, request } = here;
  const leadBytes = 100;
  const startOf = (index: number) => index === 0 ? 0 : leadBytes + index * SEGMENT;
  const expected = (index: number) => CONTENT.subarray(startOf(index), startOf(index + 1));
  const taken: number[] = [];
  const kept: Bytes[] = [];
  let asked = 0;
  const wanted: DownloadRequest = {
    ...{ ...request, sizeBytes: SIZE, leadBytes },
    verify: (index, bytes) => Buffer.compare(bytes, expected(index)) === 0,
    sink: {
      ready: () => asked++ % 3 === 0 ? Promise.resolve() : undefined,
      take(index, bytes) {
        assert(Buffer.compare(bytes, expected(index)) === 0, `segment ${index}`);
        taken.push(index);
        return index === 2 && kept.push(bytes) > 0;
      },
    },
  };
  server.fault = (_, number) => number > 0 ? { status: 404 } : { cutAfter: 5 * SEGMENT };
  await assert.rejects(download(wanted, options()), NotFoundError);
  assert.deepEqual(taken.splice(0), [0, 1, 2, 3]);
  server.fault = () => undefined;
  const { reusedBytes } = await download(wanted, options({ clock: hurriedClock() }));
  assert.equal(reusedBytes, startOf(4));
  assert.deepEqual(taken.slice(0, 4), [0, 1, 2, 3]);
  assert.deepEqual(taken.toSorted((one, other) => one - other), Array.from({ length: 40 }, (_, index) => index));
  assert.deepEqual(kept.map(({ byteLength }) => byteLength), [SEGMENT, SEGMENT], "their memory was not given back");
  await assertHolds(path, CONTENT);
  await assert.rejects(download({ ...wanted, sizeBytes: undefined }, options()), TypeError);
});

Deno.test("download() goes on with a segment of a run before only when it is what the check says, whatever the journal says", async () => {
  await using here = await site();
  const { server, path, request } = here;
  const wanted = { ...request, sizeBytes: SIZE };
  server.fault = (_, number) => number > 0 ? { status: 404 } : { cutAfter: 5 * SEGMENT };
  await assert.rejects(download({ ...wanted, verify: () => true }, options()), NotFoundError);
  server.fault = () => undefined;
  const isRight = segmentHashes(CONTENT);
  const verify = (index: number, bytes: Bytes) => isRight(index, bytes) && (index !== 1 || reads++ > 0);
  let reads = 0;
  const { reusedBytes } = await download({ ...wanted, verify }, options());
  assert.equal(reusedBytes, 4 * SEGMENT);
  await assertHolds(path, CONTENT);
});

Deno.test("download() makes of a source that says so one attempt, and tells that it is lost", async () => {
  await using here = await site();
  const { server, request } = here;
  const verify = segmentHashes(CONTENT);
  server.fault = (seen) => seen.path === "stick" ? { status: 503 } : undefined;
  const clock = testClock();
  const lost: string[] = [];
  const onLostSource = (one: { source: string }) => lost.push(one.source);
  const sources = [{ ...source(server, "stick"), attempts: 1 }, source(server)];
  await download({ ...request, sizeBytes: SIZE, sources, verify }, options({ clock, onLostSource }));
  assert.deepEqual([lost, clock.sleeps], [["stick"], []]);
});
