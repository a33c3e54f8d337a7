import assert from "node:assert/strict";
import { join } from "node:path";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import { type DevicePlace, loadFrom, signInOn, startDeviceProcess, uploadTo } from "../support/device_process.ts";
import { deviceSite } from "../support/device_site.ts";
import { faultTest } from "../support/fault_test.ts";
import { keystream } from "../support/keystream.ts";
import { emptyDisk, fillDisk } from "../support/filler.ts";
import { floorOf, nothingIsLeft } from "../support/killed_device.ts";
import { filesBelow } from "../support/origin_site.ts";
import { publishingFlags } from "../support/publishing_device.ts";
import { type SmallDisk, smallDisk } from "../support/small_disk.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

/** Who may not mount anything skips them, which is a failure where tests must be whole. */
const ignore = Deno.uid() !== 0;
const { folder: bucket, name } = V2_RESOURCE;
const MIB = 1024 * 1024;
const DISK_KIB = 4 * 1024;
const SIZE_BYTES = 2 * MIB + 17;
/** The last block of the trail has room for some lines. */
const SIGN_INS = 30;
const HARMS = [
  { fault: "disk is full", code: "disk_full", harm: ({ path }: SmallDisk) => fillDisk(path), heal: emptied },
  {
    fault: "disk becomes read-only",
    code: "disk_failed",
    harm: (disk: SmallDisk) => disk.setReadOnly(true),
    heal: (disk: SmallDisk) => disk.setReadOnly(false),
  },
];

function emptied({ path }: SmallDisk): Promise<void> {
  return emptyDisk(path);
}

for (const { fault, code, harm, heal } of HARMS) {
  faultTest({
    area: "disk",
    fault: `cache: ${fault}`,
    operation: "load (v1, v2), upload (v2)",
    outcome: "loads reach the caller, uncached; an upload is refused with 507 and publishes nothing; all is well later",
    ignore,
  }, async () => {
    await using at = await deviceSite("ResourceUploader");
    const { folder, site, email } = at;
    await using disk = await smallDisk({ sizeKib: DISK_KIB });
    const flags = { ...await publishingFlags(folder.path, site), "model-cache-dir": disk.path };
    const place: DevicePlace = { ...at.place, flags };
    const content = keystream("content", SIZE_BYTES);
    await publishAll(place, email, content);
    await using device = await startDeviceProcess(place);
    await using old = await startDeviceProcess({ ...place, flags: { ...flags, "resource-format": "v1" } });
    for (const { url } of [device, old]) await signInOn(url, email);
    const published = await filesBelow(join(folder.path, "cdn"));
    await harm(disk);
    const before = await filesBelow(disk.path);
    for (const [{ url }, resource] of [[device, name], [old, "old.onnx"]] as const) {
      for (const source of ["cdn", "cdn"]) {
        const reply = await loadFrom(url, bucket, resource);
        assert.deepEqual([reply.status, reply.source], [200, source]);
        assert.deepEqual(reply.bytes, content);
      }
    }
    const refused = await uploadTo(device.url, keystream("newer", SIZE_BYTES), name);
    assert.deepEqual([refused.status, refused.code], [507, code], refused.detail);
    assert.deepEqual(await filesBelow(disk.path), before, "nothing is cached");
    assert.deepEqual(await filesBelow(join(folder.path, "cdn")), published, "nothing is published");
    assert.equal((await ORIGIN_COMMANDS["version list"]({ dataDir: site.dataDir })).length, 1);
    await heal(disk);
    assert.equal((await uploadTo(device.url, content, name)).status, 200);
    assert.equal((await loadFrom(device.url, bucket, name)).source, "cache");
    for (const { stop } of [device, old]) await stop();
    for (const path of [folder.path, disk.path]) await nothingIsLeft(path);
  });

  faultTest({
    area: "disk",
    fault: `state folder: ${fault}`,
    operation: "sign-in, load (v2) of a newer version, upload (v1)",
    outcome:
      "sign-in and v1 go on, and the log tells of missing audit lines; v2 is refused with 507 before its first byte",
    ignore,
  }, async () => {
    await using at = await deviceSite("ResourceUploader");
    const { site, email } = at;
    const publisher = await V2Publisher.at(site);
    await using disk = await smallDisk({ sizeKib: DISK_KIB });
    const place: DevicePlace = { ...at.place, flags: { "state-dir": disk.path } };
    await using device = await startDeviceProcess(place);
    await signInOn(device.url, email);
    const versionOf = (seq: number) => keystream(`version ${seq}`, SIZE_BYTES);
    await publisher.publish(versionOf(1), { seq: 1 });
    assert.deepEqual((await loadFrom(device.url, bucket, name)).bytes, versionOf(1));
    await publisher.publish(versionOf(2), { seq: 2 });
    await harm(disk);
    for (let call = 0; call < SIGN_INS && !device.log().includes("audit_failed"); call++) {
      await signInOn(device.url, email);
    }
    assert.match(device.log(), /audit_failed/);
    const refused = await loadFrom(device.url, bucket, name);
    assert.deepEqual([refused.status, refused.code], [507, code], refused.detail);
    assert.equal(await floorOf(place), 1);
    await using old = await startDeviceProcess({ ...place, flags: { ...place.flags, "resource-format": "v1" } });
    await signInOn(old.url, email);
    const v1 = await uploadTo(old.url, versionOf(3), "old.onnx");
    assert.equal(v1.status, 200, v1.detail);
    assert.deepEqual((await loadFrom(old.url, bucket, "old.onnx")).bytes, versionOf(3));
    await heal(disk);
    assert.deepEqual((await loadFrom(device.url, bucket, name)).bytes, versionOf(2));
    assert.equal(await floorOf(place), 2);
    await verifyTrail(join(disk.path, "audit"));
    await nothingIsLeft(disk.path);
  });
}

/** `detector.onnx` in format v2 and `old.onnx` in v1, by a device that keeps its cache elsewhere. */
async function publishAll(place: DevicePlace, email: string, content: Uint8Array<ArrayBuffer>): Promise<void> {
  for (const [file, format] of [[name, "auto"], ["old.onnx", "v1"]] as const) {
    const folder = await Deno.makeTempDir({ dir: place.folder });
    const flags = { ...place.flags, "model-cache-dir": join(folder, "cache"), "resource-format": format };
    await using device = await startDeviceProcess({ ...place, folder, flags });
    await signInOn(device.url, email);
    const { status, detail } = await uploadTo(device.url, content, file);
    assert.equal(status, 200, detail);
    await device.stop(); // or it is killed in the middle of a write
  }
}
