import assert from "node:assert/strict";
import { join } from "node:path";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { isTaken } from "../../lib/system/files.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import { removeBusyFolder } from "../support/busy_folder.ts";
import {
  cachePath,
  type DevicePlace,
  launchOf,
  loadFrom,
  signInOn,
  startDeviceProcess,
  statePath,
} from "../support/device_process.ts";
import { post } from "../support/device_round.ts";
import { deviceSite } from "../support/device_site.ts";
import { eventually } from "../support/eventually.ts";
import { faultTest } from "../support/fault_test.ts";
import { FACTS } from "../support/hardware_facts.ts";
import { keystream } from "../support/keystream.ts";
import { floorOf } from "../support/killed_device.ts";
import { OriginSite } from "../support/origin_site.ts";
import { runProgram } from "../support/run_program.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

const { folder: bucket, name } = V2_RESOURCE;
/** More than sockets hold: who reads slowly keeps the file open. */
const SIZE_BYTES = 24 * 1024 * 1024 + 17;

function versionOf(seq: number): Uint8Array<ArrayBuffer> {
  return keystream(`version ${seq}`, SIZE_BYTES);
}

/** The publisher at a site, who has published version 1. */
async function publisherAt(site: OriginSite): Promise<V2Publisher> {
  const publisher = await V2Publisher.at(site);
  await publisher.publish(versionOf(1), { seq: 1 });
  return publisher;
}

async function kidsAt({ dataDir }: OriginSite): Promise<readonly string[]> {
  return (await ORIGIN_COMMANDS["device list"]({ dataDir })).map(({ kid }) => kid);
}

faultTest({
  area: "disk",
  fault: "STATE_DIR is removed under the running service",
  operation: "sign-in, load (v2), restart",
  outcome: "load refused with what to do, nothing pinned anew, no second key; a restart makes a new device and says so",
}, async () => {
  await using at = await deviceSite("Operator");
  const { site, email, place } = at;
  await publisherAt(site);
  {
    await using device = await startDeviceProcess(place);
    await signInOn(device.url, email);
    assert.equal((await loadFrom(device.url, bucket, name)).status, 200);
    const kids = await kidsAt(site);
    await Deno.remove(statePath(place), { recursive: true });
    await signInOn(device.url, email);
    for (let call = 1; call <= 2; call++) {
      const refused = await loadFrom(device.url, bucket, name);
      assert.deepEqual([refused.status, refused.code], [500, "configuration"], refused.detail);
      assert.match(refused.detail, /has gone while the service runs: bring it back, or restart the service/);
    }
    for (const file of ["device_key.json", "trust.json", "floors.json"]) {
      assert.equal(await Deno.stat(join(statePath(place), file)).catch(() => undefined), undefined, file);
    }
    assert.deepEqual(await kidsAt(site), kids);
    const trail = join(statePath(place), "audit");
    await verifyTrail(trail);
    assert.match(
      await Deno.readTextFile(join(trail, "audit-000000000001.jsonl")),
      /"trail_lost".*lines up to \d+ were/,
    );
    await device.stop();
  }
  await using again = await startDeviceProcess(place);
  await signInOn(again.url, email);
  assert.equal((await loadFrom(again.url, bucket, name)).status, 200);
  assert.match(again.log(), /device_key_made/);
  assert.equal((await kidsAt(site)).length, 2);
});

faultTest({
  area: "disk",
  fault: "an old backup of STATE_DIR is put back",
  operation: "load (v2) of an older version that the server offers",
  outcome: "refused while the service runs, whose memory keeps the floor; after a restart the old floor counts",
}, async () => {
  await using at = await deviceSite("Operator");
  const { folder, site, email, place } = at;
  const publisher = await publisherAt(site);
  const backup = join(folder.path, "backup");
  const restore = async () => {
    await Deno.remove(statePath(place), { recursive: true });
    await runProgram("cp", ["-a", backup, statePath(place)]);
  };
  {
    await using device = await startDeviceProcess(place);
    await signInOn(device.url, email);
    await loadFrom(device.url, bucket, name);
    await runProgram("cp", ["-a", statePath(place), backup]);
    await publisher.publish(versionOf(2), { seq: 2 });
    assert.deepEqual((await loadFrom(device.url, bucket, name)).bytes, versionOf(2));
    const withdrawn = { dataDir: site.dataDir, resource: V2_RESOURCE, version: "1.2", change: "withdraw" } as const;
    await ORIGIN_COMMANDS["version change"](withdrawn);
    await restore();
    const refused = await loadFrom(device.url, bucket, name);
    assert.deepEqual([refused.status, refused.code], [502, "integrity"], refused.detail);
    assert.match(refused.detail, /older than 2, which was seen already/);
    await device.stop();
  }
  await restore();
  await using again = await startDeviceProcess(place);
  await signInOn(again.url, email);
  assert.deepEqual((await loadFrom(again.url, bucket, name)).bytes, versionOf(1));
  assert.equal(await floorOf(place), 1);
});

faultTest({
  area: "disk",
  fault: "STATE_DIR is copied to another machine",
  operation: "load (v2) there",
  outcome: "refused: the key opens with three of the four hardware facts of its machine; nothing is written there",
}, async () => {
  await using at = await deviceSite("Operator");
  const { folder, site, email, place } = at;
  await publisherAt(site);
  {
    await using device = await startDeviceProcess(place);
    await signInOn(device.url, email);
    assert.equal((await loadFrom(device.url, bucket, name)).status, 200);
    await device.stop();
  }
  const other = { ...place, folder: join(folder.path, "other") };
  await Deno.mkdir(other.folder);
  await runProgram("cp", ["-a", statePath(place), statePath(other)]);
  const keyFile = join(statePath(other), "device_key.json");
  const key = await Deno.readTextFile(keyFile);
  const facts = { ...FACTS, cpu: "Cortex-A72", driveSerial: "another" };
  await using thief = await startDeviceProcess(other, { facts });
  await signInOn(thief.url, email);
  const refused = await loadFrom(thief.url, bucket, name);
  assert.deepEqual([refused.status, refused.code], [502, "integrity"], refused.detail);
  assert.equal(await Deno.readTextFile(keyFile), key);
  assert.equal((await kidsAt(site)).length, 1);
});

faultTest({
  area: "disk",
  fault: "cache folder is removed under the running service",
  operation: "load (v2), while another caller is in the middle of it",
  outcome: "both get all bytes; the cache is filled anew",
}, async () => {
  await using at = await deviceSite("Operator");
  const { site, email, place } = at;
  await publisherAt(site);
  await using device = await startDeviceProcess(place);
  await signInOn(device.url, email);
  await fillCache(place, device.url);
  const slow = await slowLoad(device.url);
  await removeBusyFolder(cachePath(place));
  const fresh = await loadFrom(device.url, bucket, name);
  assert.deepEqual([fresh.source, fresh.status], ["cdn", 200]);
  assert.deepEqual(fresh.bytes, versionOf(1));
  assert.deepEqual(await slow.rest(), versionOf(1));
  await fillCache(place, device.url);
});

faultTest({
  area: "disk",
  fault: "cache is pruned",
  operation: "load (v2) from it, while a caller is in the middle",
  outcome: "what is in use stays, and the caller gets all bytes; afterwards it may go",
}, async () => {
  await using at = await deviceSite("Operator");
  const { site, email, place } = at;
  await publisherAt(site);
  await using device = await startDeviceProcess(place);
  await signInOn(device.url, email);
  const path = await fillCache(place, device.url);
  const slow = await slowLoad(device.url);
  const prune = async () => {
    await Deno.utime(path, 0, 0);
    const { program, args, env } = launchOf(["cache", "prune", "--all", "--model-cache-dir", cachePath(place)]);
    await new Deno.Command(program, { args: [...args], clearEnv: true, env, stdout: "null" }).output();
    return await isTaken(path);
  };
  assert.equal(await prune(), true);
  assert.deepEqual(await slow.rest(), versionOf(1));
  await eventually("it may go", async () => !await prune());
});

/** Loads until it comes from the cache. @returns the path of the big part */
async function fillCache(place: DevicePlace, url: string): Promise<string> {
  await eventually("it comes from the cache", async () => (await loadFrom(url, bucket, name)).source === "cache");
  const folder = join(cachePath(place), bucket);
  const [file] = [...Deno.readDirSync(folder)].filter(({ name: entry }) => entry.endsWith(".big"));
  return join(folder, file?.name ?? "");
}

/** A load whose first bytes have come, and whose rest is read later. */
async function slowLoad(url: string): Promise<{ rest(): Promise<Uint8Array<ArrayBuffer>> }> {
  const answer = await post(`${url}/load/${name}`, JSON.stringify({ filename: name, folder: bucket }));
  assert.equal(answer.headers.get("x-tally-source"), "cache");
  const reader = (answer.body ?? new ReadableStream()).getReader();
  const first = await reader.read();
  return {
    async rest() {
      const parts = [first.value ?? new Uint8Array()];
      for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value);
      return new Uint8Array(await new Blob(parts).arrayBuffer());
    },
  };
}
