import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Bytes } from "../../lib/bytes.ts";
import { collect } from "../../lib/streams.ts";
import { removeBusyFolder } from "../support/busy_folder.ts";
import { eventually } from "../support/eventually.ts";
import { keystream } from "../support/keystream.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { V2_RESOURCE } from "../support/v2_publisher.ts";
import { V2Round } from "../support/v2_round.ts";

const { folder, name } = V2_RESOURCE;
const MIB = 1024 * 1024;

/** Not by deepEqual(), which takes minutes to tell how two long arrays differ. */
function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assert(Buffer.compare(actual, expected) === 0, "the load gives other bytes");
}

function rest(body: ReadableStream<Bytes>): Promise<Bytes> {
  return collect(body, 64 * MIB);
}

Deno.test("a load in format v2 whose caller has gone before its bytes begin begins no download", async () => {
  await using round = await V2Round.start();
  const { manifest: { big: { key } } } = await round.publish(keystream("gone", 2 * MIB));
  const caller = new AbortController();
  const found = await round.device.services.find({ ...V2_RESOURCE, signal: caller.signal });
  round.cdn.fault = () => ({ stallAfter: 0 });
  caller.abort();
  await assert.rejects(found.open(), { name: "InterruptedError" });
  await round.device.stop();
  await assert.rejects(Deno.stat(round.device.cachePath(folder, key)), Deno.errors.NotFound);
  await assert.rejects(Deno.stat(round.device.cachePath(folder, `.${key}.part`)), Deno.errors.NotFound);
});

Deno.test("a load in format v2 whose caller goes while it waits blames no source", async () => {
  await using round = await V2Round.start();
  await round.publish(keystream("waiting", 12 * MIB));
  const caller = new AbortController();
  round.cdn.fault = (_, number) => number > 0 ? { stallAfter: 0 } : undefined; // behind the first run of units
  const { body } = await round.device.services.load({ ...V2_RESOURCE, signal: caller.signal });
  const reader = body.getReader();
  await reader.read();
  const all = (async () => {
    for (let piece = await reader.read(); !piece.done;) piece = await reader.read();
  })();
  await eventually("the rest is asked for", () => Promise.resolve(round.cdn.seen.length > 1));
  caller.abort();
  await assert.rejects(all, { name: "InterruptedError" });
  assert.deepEqual(round.device.logLines.filter((line) => line.includes("unit_source_failed")), []);
});

Deno.test("a load in format v2 needs nothing of a cache that is removed while another load fills it", async () => {
  await using round = await V2Round.start();
  const plain = keystream("removed", 12 * MIB);
  await round.publish(plain);
  const { services } = round.device;
  const { body } = await services.load(V2_RESOURCE);
  const first = body.getReader();
  const { value } = await first.read();
  assert(value !== undefined);
  const start = value.slice();
  await removeBusyFolder(join(round.device.folder.path, "cache", folder));
  const second = await services.load(V2_RESOURCE);
  assertSame(await rest(second.body), plain);
  first.releaseLock();
  assertSame(Buffer.concat([start, await rest(body)]), plain);
});

Deno.test("load() in format v2 goes on with a hash list that broke off on the way, and refuses one of another size", async () => {
  await using round = await V2Round.start();
  const plain = keystream("hash list", 18 * MIB);
  const version = await round.publish(plain);
  const isList = ({ path }: { path: string }) => path.endsWith(".hashes");
  round.cdn.fault = (seen, number) => isList(seen) && number < 2 ? { cutAfter: 100 } : undefined;
  assertSame(await round.device.load(folder, name), plain);
  assert.equal(round.cdn.seen.filter(isList).length, 3);

  const next = await round.publish(keystream("hash list 2", 18 * MIB), { seq: 2 });
  for (const sizeBytes of [version.hashes.byteLength - 32, version.hashes.byteLength + 32]) {
    round.cdn.files.set(`${folder}/${next.manifest.big.key}.hashes`, { bytes: new Uint8Array(sizeBytes), etag: "x" });
    await assert.rejects(round.device.load(folder, name), { name: "IntegrityError", step: "hash-list" });
  }
});

Deno.test("load() in format v2 mends what is damaged in the cache from a stick, where the CDN is away", async () => {
  await using medium = await tempFolder();
  await using round = await V2Round.start({ flags: { "media-dirs": medium.path } });
  const plain = keystream("damaged", 3 * MIB);
  const { manifest: { big: { key } }, big } = await round.publish(plain);
  assertSame(await round.device.load(folder, name), plain);
  const path = round.device.cachePath(folder, key);
  await eventually("it is cached", () => Deno.stat(path).then(() => true, () => false));
  await Deno.writeFile(path, big.with(2 * MIB, (big[2 * MIB] ?? 0) ^ 1));
  await Deno.mkdir(join(medium.path, folder));
  await Deno.writeFile(join(medium.path, folder, key), big);
  round.cdn.files.clear();
  round.cdn.seen.length = 0;
  assertSame(await round.device.load(folder, name), plain);
  assert.deepEqual(round.cdn.seen, []);
  await eventually("it is mended", async () => Buffer.compare(await Deno.readFile(path), big) === 0);
});

Deno.test("a load in format v2 ends with its next range when the device is signed out, and goes on after a sign-in", async () => {
  await using round = await V2Round.start();
  const plain = keystream("signed out", 18 * MIB);
  const { big, hashes } = await round.publish(plain);
  const { services } = round.device;
  let isSignedOut = false;
  round.cdn.fault = (_, number) => number > 1 && !isSignedOut ? { status: 503 } : undefined; // behind the first run
  const { body } = await services.load(V2_RESOURCE);
  const reader = body.getReader();
  await reader.read();
  services.session.signOut();
  isSignedOut = true;
  const all = (async () => {
    for (let piece = await reader.read(); !piece.done;) piece = await reader.read();
  })();
  await assert.rejects(all, { name: "NotSignedInError" });
  await assert.rejects(services.load(V2_RESOURCE), { name: "NotSignedInError" });
  await round.device.signIn(round.email);
  assertSame(await round.device.load(folder, name), plain);
  const sentBytes = round.cdn.seen.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
  assert.equal(sentBytes, big.byteLength + hashes.byteLength, "no unit came twice");
});
