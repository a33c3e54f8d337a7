import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Bytes } from "../../lib/bytes.ts";
import { collect } from "../../lib/streams.ts";
import type { Clock } from "../../lib/system/clock.ts";
import { PartialFile } from "../../lib/system/partial_file.ts";
import { eventually } from "../support/eventually.ts";
import { hurriedClock } from "../support/hurried_clock.ts";
import { keystream } from "../support/keystream.ts";
import { rangeServer } from "../support/range_server.ts";
import { smallDisk } from "../support/small_disk.ts";
import { tempFolder } from "../support/temp_folder.ts";
import type { V2Device } from "../support/v2_device.ts";
import { V2_RESOURCE } from "../support/v2_publisher.ts";
import { askedBytes, V2Round } from "../support/v2_round.ts";

const { folder, name } = V2_RESOURCE;
const MIB = 1024 * 1024;
const UNIT = 16 * (64 * 1024 + 16);

/** Not by deepEqual(), which takes minutes to tell how two long arrays differ. */
function assertSame(actual: Uint8Array, expected: Uint8Array, message = "the load gives other bytes"): void {
  assert(Buffer.compare(actual, expected) === 0, message);
}

async function rest(body: ReadableStream<Bytes>): Promise<Bytes> {
  return await collect(body, 256 * MIB);
}

function isThere(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

function logged(device: V2Device, event: string): string[] {
  return device.logLines.filter((line) => line.includes(`"${event}"`));
}

function flipped(bytes: Bytes, offset: number): Bytes {
  return bytes.with(offset, (bytes[offset] ?? 0) ^ 1) as Bytes;
}

/** Big parts in the cache folder of the resource, whole or not; not what lies beside them. */
async function cached({ folder: { path } }: V2Device): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(join(path, "cache", folder)), ({ name }) => name).catch(() => []);
  return names.filter((name) => !/\.(hashes|json)$/.test(name)).sort();
}

Deno.test("load() in format v2 fetches a unit that one source has wrong again from another one, and tells of it", async () => {
  await using medium = await tempFolder();
  await using round = await V2Round.start({ flags: { "media-dirs": medium.path } });
  const plain = keystream("bad unit", 6 * MIB);
  const version = await round.publish(plain);
  const { key } = version.manifest.big;
  await Deno.mkdir(join(medium.path, folder));
  await Deno.writeFile(join(medium.path, folder, key), flipped(version.big, 2 * MIB));
  assertSame(await round.device.load(folder, name), plain);
  assert.equal(askedBytes(round.cdn.seen), UNIT, "the CDN was asked for that unit and no other");
  assert.match(logged(round.device, "unit_wrong").join(), /"index":1,"source":"media"/);
  await eventually("it is cached", () => isThere(round.device.cachePath(folder, key)));
  assertSame(await Deno.readFile(round.device.cachePath(folder, key)), version.big);
});

Deno.test("load() in format v2 takes a large resource from a stick alone, with its hash list, and with nothing from the CDN", async () => {
  await using medium = await tempFolder();
  await using round = await V2Round.start({ flags: { "media-dirs": medium.path } });
  const plain = keystream("stick", 18 * MIB);
  const { manifest: { big: { key } }, big, hashes } = await round.publish(plain);
  round.cdn.files.clear();
  await Deno.mkdir(join(medium.path, folder));
  await Deno.writeFile(join(medium.path, folder, key), big);
  await Deno.writeFile(join(medium.path, folder, `${key}.hashes`), hashes);
  const { body, source } = await round.device.services.load(V2_RESOURCE);
  assertSame(await rest(body), plain);
  assert.equal(source, "media");
  assert.deepEqual(round.cdn.seen, []);
});

Deno.test("load() in format v2 asks a CDN that sent a unit wrong for that unit alone, and gives up one that is always wrong", async () => {
  await using round = await V2Round.start();
  const plain = keystream("bad unit", 6 * MIB);
  const version = await round.publish(plain);
  round.cdn.fault = (_, number) => number === 0 ? { flipAt: 2 * MIB } : undefined;
  assertSame(await round.device.load(folder, name), plain);
  assert.equal(askedBytes(round.cdn.seen), version.big.byteLength + UNIT);

  await round.publish(keystream("always wrong", 6 * MIB), { seq: 2 });
  round.cdn.fault = () => ({ flipAt: 2 * MIB });
  await assert.rejects(round.device.load(folder, name), { name: "IntegrityError", step: "unit-hash" });
  assert.equal(
    (await cached(round.device)).filter((file) => !file.startsWith(".")).length,
    1,
    "only the first version",
  );
  round.cdn.fault = () => undefined;
  round.cdn.seen.length = 0;
  assertSame(await round.device.load(folder, name), keystream("always wrong", 6 * MIB));
  assert(askedBytes(round.cdn.seen) < 6 * MIB, "what was right came from the disk");
});

Deno.test("callers of one resource in format v2 share its download, also one that comes late or is slow", async () => {
  await using round = await V2Round.start();
  const plain = keystream("shared", 12 * MIB);
  const { big } = await round.publish(plain);
  const { services } = round.device;
  const first = (await services.load(V2_RESOURCE)).body.getReader();
  await first.read();
  const [second, third] = await Promise.all([services.load(V2_RESOURCE), services.load(V2_RESOURCE)]);
  assert.deepEqual([second.source, third.source], ["cdn", "cdn"]);
  assertSame(await rest(second.body), plain);
  assertSame(await rest(third.body), plain);
  let size = 0;
  for (let piece = await first.read(); !piece.done; piece = await first.read()) size += piece.value.byteLength;
  assert(size > 10 * MIB);
  assert.equal(askedBytes(round.cdn.seen), big.byteLength, "each unit was asked for once");
});

Deno.test("a download in format v2 goes on when one of its callers leaves, and ends with the last; the next load goes on from another CDN", async () => {
  await using round = await V2Round.start();
  const plain = keystream("leaving", 18 * MIB);
  const version = await round.publish(plain);
  round.cdn.fault = (_, number) => number > 2 ? { stallAfter: 0 } : undefined; // behind the hash list and two runs of four units
  const { services } = round.device;
  const one = (await services.load(V2_RESOURCE)).body.getReader();
  const other = (await services.load(V2_RESOURCE)).body.getReader();
  await one.read();
  await one.cancel();
  for (let count = 0; count < 3; count++) assert.equal((await other.read()).done, false, "it goes on");
  const waiting = other.read();
  await other.cancel();
  assert.equal((await waiting).done, true);
  const { key } = version.manifest.big;
  await round.device.stop();
  assert.deepEqual(await cached(round.device), [`.${key}.part`, `.${key}.part.journal`]);
  const { size } = await Deno.stat(round.device.cachePath(folder, `.${key}.part`));
  assert(size >= 4 * UNIT);

  await using elsewhere = rangeServer();
  round.serve(version, elsewhere);
  await round.restart({}, elsewhere);
  assertSame(await round.device.load(folder, name), plain);
  assert.equal(askedBytes(elsewhere.seen), version.big.byteLength - size, "no unit came twice");
  await eventually("it is cached, and nothing is left", async () => String(await cached(round.device)) === key);
});

Deno.test("load() in format v2 goes on in one stream and keeps nothing where the cache has no room, cannot be written, or is another's", async () => {
  await using round = await V2Round.start({ flags: { "model-cache-quota": "4M" } });
  const plain = keystream("no room", 6 * MIB);
  const { manifest: { big: { key } } } = await round.publish(plain);
  assertSame(await round.device.load(folder, name), plain, "the quota");
  assert.match(logged(round.device, "cache_not_changed").join(), /do not fit/);
  assert.deepEqual(await cached(round.device), []);

  const cachePath = join(round.device.folder.path, "cache", folder);
  await Deno.remove(cachePath, { recursive: true });
  await Deno.writeTextFile(cachePath, "not a folder");
  await round.restart();
  assertSame(await round.device.load(folder, name), plain, "no folder");
  assert.equal(await Deno.readTextFile(cachePath), "not a folder");

  await Deno.remove(cachePath);
  using _other = await PartialFile.open(round.device.cachePath(folder, key));
  await round.restart();
  assertSame(await round.device.load(folder, name), plain, "another download");
  assert.match(logged(round.device, "cache_not_changed").join(), /another download of it is running/);
  assert.deepEqual(await cached(round.device), [`.${key}.part`]);
});

Deno.test({
  name: "load() in format v2 goes on in one stream when the disk fills on the way",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using disk = await smallDisk({ sizeKib: 24 * 1024 });
    await using round = await V2Round.start({ flags: { "model-cache-dir": disk.path } });
    const plain = keystream("disk full", 12 * MIB);
    await round.publish(plain);
    let isFull = false;
    round.cdn.fault = (_, number) => number === 0 || isFull ? undefined : { status: 503 }; // after the first run
    const { body } = await round.device.services.load(V2_RESOURCE);
    const reader = body.getReader();
    const { value } = await reader.read();
    await Deno.writeFile(join(disk.path, "other"), new Uint8Array(24 * MIB)).catch(() => isFull = true);
    assert(isFull && value !== undefined);
    const head = value.slice();
    reader.releaseLock();
    const tail = await rest(body);
    assertSame(tail, plain.subarray(head.byteLength));
    assert.match(logged(round.device, "cache_not_changed").join(), /the disk is full/);
  },
});

Deno.test("load() in format v2 asks a server without ranges once, for all of it", async () => {
  await using round = await V2Round.start();
  const plain = keystream("no ranges", 12 * MIB);
  await round.publish(plain);
  round.cdn.ignoresRanges = true;
  assertSame(await round.device.load(folder, name), plain);
  const asked = round.cdn.seen.filter(({ path }) => path.endsWith(".big"));
  assert.equal(asked.length, 2, "the first answer said that it knows no ranges");
});

Deno.test("load() in format v2 reads a far server by several ranges at a time", async () => {
  const startMs = Date.now();
  const hurried = hurriedClock();
  const clock: Clock = { ...hurried, now: () => startMs + hurried.now() };
  await using round = await V2Round.start({ clock });
  const plain = keystream("far", 20 * MIB);
  const { big } = await round.publish(plain);
  let most = 0;
  round.cdn.fault = () => {
    most = Math.max(most, round.cdn.seen.filter(({ isOver }) => !isOver).length);
    return { delayMs: 4 };
  };
  assertSame(await round.device.load(folder, name), plain);
  assert(most >= 2, `${most} at a time`);
  assert.equal(askedBytes(round.cdn.seen), big.byteLength);
});

/** Time goes on by sleeping only, and nobody sleeps for long; the short hold of a download that is ahead ends by its reader. */
function sleepersClock(): Clock {
  let nowMs = Date.now();
  return {
    now: () => nowMs,
    async sleep(delayMs, signal) {
      signal?.throwIfAborted();
      if (delayMs === 50) {
        return await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      }
      const untilMs = nowMs + delayMs;
      await Promise.resolve();
      nowMs = Math.max(nowMs, untilMs);
    },
  };
}

Deno.test("load() in format v2 keeps to LIMIT_RATE within 5 %", async () => {
  const clock = sleepersClock();
  await using round = await V2Round.start({ clock, flags: { "limit-rate": "4M" } });
  const plain = keystream("limit", 10 * MIB);
  const { big } = await round.publish(plain);
  const startMs = clock.now();
  assertSame(await round.device.load(folder, name), plain);
  const rate = big.byteLength / (clock.now() - startMs) * 1000;
  assert(Math.abs(rate / (4 * MIB) - 1) < 0.05, `${rate} bytes a second`);
});
