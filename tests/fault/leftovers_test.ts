import assert from "node:assert/strict";
import { join } from "node:path";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { AtomicFile } from "../../lib/system/atomic_file.ts";
import {
  cachePath,
  loadFrom,
  type ServiceProcess,
  signalIfAlive,
  signInOn,
  startDeviceProcess,
  startOriginProcess,
  statePath,
} from "../support/device_process.ts";
import { deviceSite } from "../support/device_site.ts";
import { faultTest } from "../support/fault_test.ts";
import { keystream } from "../support/keystream.ts";
import { floorOf, nothingIsLeft } from "../support/killed_device.ts";
import { filesBelow, OriginSite } from "../support/origin_site.ts";
import { seededRandom } from "../support/random.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

const { folder: bucket, name } = V2_RESOURCE;
const SIZE_BYTES = 2 * 1024 * 1024 + 17;
const KILLS = 6;
const LONGEST_MS = 400;

/** What a process that was killed in the middle of a write has left. */
async function plantPartial(...folder: string[]): Promise<void> {
  await Deno.mkdir(join(...folder), { recursive: true });
  await Deno.writeFile(join(...folder, `.${crypto.randomUUID()}.partial`), new Uint8Array(10), { mode: 0o600 });
}

async function plantFile(path: string, text = ""): Promise<void> {
  await Deno.writeTextFile(path, text, { append: true, mode: 0o600 });
}

faultTest({
  area: "process",
  fault: "a killed process left temporary files, locks, a torn line and an unfinished download",
  operation: "next start of the device",
  outcome: "all is swept, gone on with or cut off; no lock of the dead holds anybody up; a file of the living stays",
}, async () => {
  await using at = await deviceSite("Operator");
  const { folder, site, email, place } = at;
  const publisher = await V2Publisher.at(site);
  const content = keystream("content", SIZE_BYTES);
  const { manifest } = await publisher.publish(content);
  {
    await using device = await startDeviceProcess(place);
    await signInOn(device.url, email);
    assert.equal((await loadFrom(device.url, bucket, name)).status, 200);
    signalIfAlive(device.child, "SIGKILL");
  }
  const [state, cache] = [statePath(place), cachePath(place)];
  for (const where of [[state], [cache], [cache, ".staging"], [cache, bucket], [cache, "others"]]) {
    await plantPartial(...where);
  }
  for (const lock of ["device.lock", "audit/audit.lock"]) await plantFile(join(state, lock));
  await plantFile(join(state, "audit", "audit-000000000001.jsonl"), '{"seq":3,"time":"20');
  await Deno.remove(join(cache, bucket, manifest.big.key)).catch(() => undefined);
  await plantFile(join(cache, bucket, `.${manifest.big.key}.part`), "torn");
  await plantFile(join(cache, bucket, `.${manifest.big.key}.part.journal`), "no journal\nof ours");
  using living = await AtomicFile.create(join(cache, bucket, "living"));
  await using device = await startDeviceProcess(place);
  await signInOn(device.url, email);
  assert.deepEqual((await loadFrom(device.url, bucket, name)).bytes, content);
  await device.stop();
  const left = (await filesBelow(folder.path)).filter((path) => /partial|\.part/.test(path));
  assert.deepEqual(left, [living.temporaryPath.slice(folder.path.length + 1)]);
  await verifyTrail(join(state, "audit"));
  assert.match(await Deno.readTextFile(join(state, "audit", "audit-000000000001.jsonl")), /trail_repaired/);
});

faultTest({
  area: "process",
  fault: "a killed process left temporary files, locks and a log of SQLite",
  operation: "next start of the origin",
  outcome: "what was answered is there; all else is swept; no lock of the dead holds anybody up",
}, async () => {
  await using site = await OriginSite.start();
  const { dataDir } = site;
  await site.stop();
  {
    await using origin = await startOriginProcess(dataDir);
    site.url = origin.url;
    const publisher = await V2Publisher.at(site);
    await publisher.publish(keystream("content", 1000));
    signalIfAlive(origin.child, "SIGKILL");
  }
  const log = await Deno.stat(join(dataDir, "origin.db-wal"));
  assert.ok(log.size > 0);
  for (const where of [[], ["objects"], ["resources", "models"]]) await plantPartial(dataDir, ...where);
  await plantFile(join(dataDir, "objects", "nobody-knows-it"));
  for (const lock of ["origin.lock", "rotation.lock"]) await plantFile(join(dataDir, lock));
  await site.serve();
  await nothingIsLeft(dataDir);
  assert.equal((await filesBelow(join(dataDir, "objects"))).length, 1);
  const token = await site.adminToken();
  const reply = await site.call("GET", `/v2/resources/${bucket}/${name}/versions`, { token });
  assert.equal(reply.status, 200, reply.text);
  assert.match(reply.text, /1\.1/);
});

faultTest({
  area: "process",
  fault: "device is killed at random moments",
  operation: "sign-in and load (v2) of ever newer versions",
  outcome: "after each start the newest version, whole; floor and audit trail hold; nothing is left over in the end",
}, async () => {
  const { seed, next } = seededRandom();
  await using at = await deviceSite("Operator");
  const { folder, site, email, place } = at;
  const publisher = await V2Publisher.at(site);
  for (let seq = 1; seq <= KILLS; seq++) {
    const content = keystream(`version ${seq}`, SIZE_BYTES);
    await publisher.publish(content, { seq });
    const killed = await startDeviceProcess(place);
    const working = work(killed, email).catch(() => undefined); // its connection breaks
    await systemClock.sleep(next() * LONGEST_MS);
    await killed[Symbol.asyncDispose]();
    const bytes = await working;
    if (bytes !== undefined) assert.deepEqual(bytes, content, `seed ${seed}`);
    assert.ok(await floorOf(place) <= seq, `seed ${seed}`);
    await using device = await startDeviceProcess(place);
    assert.deepEqual(await work(device, email), content, `seed ${seed}`);
    assert.equal(await floorOf(place), seq, `seed ${seed}`);
    await device.stop();
    await verifyTrail(join(statePath(place), "audit"));
    await nothingIsLeft(folder.path, `seed ${seed}`);
  }
});

async function work({ url }: ServiceProcess, email: string): Promise<Uint8Array<ArrayBuffer>> {
  await signInOn(url, email);
  return (await loadFrom(url, bucket, name)).bytes;
}
