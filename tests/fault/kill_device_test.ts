import assert from "node:assert/strict";
import { join } from "node:path";
import { auditLine, EMPTY_HEAD } from "../../lib/audit/audit_line.ts";
import { nameOf } from "../../lib/audit/audit_trail.ts";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { equalBytes } from "../../lib/bytes.ts";
import { removeBusyFolder } from "../support/busy_folder.ts";
import {
  cachePath,
  type DevicePlace,
  launchOf,
  loadFrom,
  signInOn,
  startDeviceProcess,
  statePath,
  uploadTo,
} from "../support/device_process.ts";
import { deviceSite } from "../support/device_site.ts";
import { eventually } from "../support/eventually.ts";
import { faultTest } from "../support/fault_test.ts";
import { floorOf, killDevice, nothingIsLeft } from "../support/killed_device.ts";
import { keystream } from "../support/keystream.ts";
import { filesBelow } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { publishingFlags } from "../support/publishing_device.ts";
import { killAtEachStep } from "../support/steps.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

const strace = peerPath("strace") ?? "";
const ignore = strace === "";
const { folder: bucket, name } = V2_RESOURCE;
const SIZE_BYTES = 300_000;
const AUDIT_FILE_BYTES = 4 * 1024 * 1024;
const AUDIT_FILES = 16;
const FAULT = "killed after each step on the disk";
const V1 = { "resource-format": "v1" };

/** Steps that every one of these must have had, or the test looked at nothing. */
function assertSteps(steps: readonly string[], ...wanted: readonly RegExp[]): void {
  for (const pattern of wanted) {
    assert.ok(steps.some((step) => pattern.test(step)), `${pattern} in ${steps.join("\n")}`);
  }
}

async function upload(url: string, content: Uint8Array<ArrayBuffer>): Promise<void> {
  const { status, detail } = await uploadTo(url, content, name);
  assert.equal(status, 200, detail);
}

async function emptyCache(place: DevicePlace): Promise<void> {
  await removeBusyFolder(cachePath(place));
}

faultTest({
  area: "process",
  fault: FAULT,
  operation: "load (v2), nothing cached",
  outcome: "after the next start the newest version, whole; the floor is the old or the new one; nothing is left over",
  ignore,
}, async () => {
  await using at = await deviceSite("Operator");
  const { site, email, place } = at;
  const publisher = await V2Publisher.at(site);
  const versionOf = (round: number) => keystream(`version ${round}`, SIZE_BYTES);
  await publisher.publish(versionOf(0), { seq: 1 });
  const steps = await killDevice({ strace, place, email }, {
    prepare: async (round) => void await publisher.publish(versionOf(round), { seq: round + 1 }),
    async operate(url, round) {
      assert.deepEqual((await loadFrom(url, bucket, name)).bytes, versionOf(round));
    },
    async check(url, round, step) {
      assert.ok([round, round + 1].includes(Math.max(await floorOf(place), round)), step);
      assert.deepEqual((await loadFrom(url, bucket, name)).bytes, versionOf(round), step);
      assert.equal(await floorOf(place), round + 1, step);
    },
  });
  assertSteps(steps, /^rename.*floors\.json/, /^f(data)?sync.*audit/, /^fsync.*\.part$/, /^rename.*\.big"/);
});

faultTest({
  area: "process",
  fault: FAULT,
  operation: "load (v1), nothing cached",
  outcome: "after the next start the same bytes; no big part without its record is believed; nothing is left over",
  ignore,
}, async () => {
  await using at = await deviceSite("ResourceUploader");
  const { email } = at;
  const place = { ...at.place, flags: V1 };
  const content = keystream("v1", SIZE_BYTES);
  const steps = await killDevice({ strace, place, email }, {
    async prepare(round) {
      if (round === 1) await uploadOn(place, email, content);
      await emptyCache(place);
    },
    async operate(url) {
      assert.deepEqual((await loadFrom(url, bucket, name)).bytes, content);
    },
    async check(url, _round, step) {
      assert.deepEqual((await loadFrom(url, bucket, name)).bytes, content, step);
    },
  });
  assertSteps(steps, /^rename.*\.big\.json"/, /^rename.*\.big"/, /^fsync.*\.partial$/);
});

/** By a device of its own, so that the other's cache stays as it is. */
async function uploadOn(place: DevicePlace, email: string, content: Uint8Array<ArrayBuffer>): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: place.folder });
  await using device = await startDeviceProcess({ ...place, folder });
  await signInOn(device.url, email);
  await upload(device.url, content);
}

faultTest({
  area: "process",
  fault: FAULT,
  operation: "upload (v2), to a folder as the CDN",
  outcome: "the old or the new version, whole; repeated, the new one; the CDN's folder holds nothing half written",
  ignore,
}, async () => {
  await using at = await deviceSite("ResourceUploader");
  const { folder, site, email } = at;
  const place = { ...at.place, flags: await publishingFlags(folder.path, site) };
  const versionOf = (round: number) => keystream(`version ${round}`, SIZE_BYTES);
  let last = 0;
  const steps = await killDevice({ strace, place, email }, {
    async prepare(round) {
      if (round === 1) await uploadOn(place, email, versionOf(0));
      await emptyCache(place);
    },
    operate: async (url, round) => {
      await upload(url, versionOf(round));
      last = round;
    },
    async check(url, round, step) {
      await emptyCache(place);
      const { bytes } = await loadFrom(url, bucket, name);
      const found = [round, round - 1].find((number) => equalBytes(bytes, versionOf(number)));
      assert.ok(found !== undefined && found >= last, step);
      if (found !== round) await upload(url, versionOf(round));
      await emptyCache(place);
      assert.deepEqual((await loadFrom(url, bucket, name)).bytes, versionOf(round), step);
    },
  });
  assertSteps(steps, /^rename.*cdn\/models/, /^fsync.*cdn\/models\/UUID\.partial/, /^fdatasync.*audit/);
});

faultTest({
  area: "process",
  fault: FAULT,
  operation: "upload (v1)",
  outcome: "the old or the new version, or refused until it is published again; never a mix of both",
  ignore,
}, async () => {
  await using at = await deviceSite("ResourceUploader");
  const { email } = at;
  const place = { ...at.place, flags: V1 };
  const versionOf = (round: number) => keystream(`version ${round}`, SIZE_BYTES);
  const steps = await killDevice({ strace, place, email }, {
    operate: (url, round) => upload(url, versionOf(round)),
    async check(url, round, step) {
      await emptyCache(place);
      const { status, bytes } = await loadFrom(url, bucket, name);
      const found = [round, round - 1].some((number) => status === 200 && equalBytes(bytes, versionOf(number)));
      assert.ok(found || status === 404 || status === 502, `${step}: ${status}`);
      await upload(url, versionOf(round));
      await emptyCache(place);
      assert.deepEqual((await loadFrom(url, bucket, name)).bytes, versionOf(round), step);
    },
  });
  assertSteps(steps, /^rename.*\.big\.json"/, /^rename.*\.big"/);
});

faultTest({
  area: "process",
  fault: FAULT,
  operation: "first start, sign-in and enrolment",
  outcome: "after the next start one key, written whole; the device is enrolled and loads; a key that was kept stays",
  ignore,
}, async () => {
  await using at = await deviceSite("Operator");
  const { folder, site, email, place } = at;
  const publisher = await V2Publisher.at(site);
  const content = keystream("first", SIZE_BYTES);
  await publisher.publish(content);
  const begin = async (url: string) => {
    await signInOn(url, email);
    assert.deepEqual((await loadFrom(url, bucket, name)).bytes, content);
  };
  const keyOf = () => Deno.readTextFile(join(statePath(place), "device_key.json")).catch(() => undefined);
  const steps = await killAtEachStep({ strace, folder: folder.path }, async () => {
    await Deno.remove(statePath(place), { recursive: true }).catch(() => undefined);
    return {
      async work(trap, arm) {
        arm();
        await using device = await startDeviceProcess(place, trap);
        await begin(device.url);
        await device.stop();
      },
      async check(step) {
        const key = await keyOf();
        await using device = await startDeviceProcess(place);
        await begin(device.url);
        if (key !== undefined) assert.equal(await keyOf(), key, step);
        await device.stop();
        await nothingIsLeft(folder.path, step);
        await verifyTrail(join(statePath(place), "audit"));
      },
    };
  });
  assertSteps(steps, /^rename.*device_key\.json/, /^rename.*trust\.json/, /^rename.*floors\.json/, /^fdatasync.*audit/);
});

faultTest({
  area: "process",
  fault: FAULT,
  operation: "audit trail goes on in a new file, and drops its oldest",
  outcome: "the trail verifies after every kill, and goes on; at most the line of the killed call is missing",
  ignore,
}, async () => {
  await using at = await deviceSite("Operator");
  const { folder, email, place } = at;
  const trail = join(statePath(place), "audit");
  const steps = await killAtEachStep({ strace, folder: folder.path }, async () => {
    await Deno.remove(trail, { recursive: true }).catch(() => undefined);
    const before = await fullTrail(trail);
    return {
      async work(trap, arm) {
        await using device = await startDeviceProcess(place, trap);
        arm();
        await signInOn(device.url, email);
        await device.stop();
      },
      async check(step) {
        const killed = await verifyTrail(trail);
        assert.ok([before, before + 1].includes(killed.head.seq), step);
        await using device = await startDeviceProcess(place);
        await signInOn(device.url, email);
        assert.equal((await verifyTrail(trail)).head.seq, killed.head.seq + 1, step);
        const files = (await filesBelow(trail)).filter((file) => file.endsWith(".jsonl"));
        assert.ok(files.length <= AUDIT_FILES + 1, step);
      },
    };
  });
  assertSteps(steps, /^fdatasync.*audit/, /^unlink.*audit/);
});

/** A trail of as many files as are kept, the last of which takes no further line. @returns the number of its last line */
async function fullTrail(trail: string): Promise<number> {
  await Deno.mkdir(trail, { recursive: true });
  let head = EMPTY_HEAD;
  const lines = (count: number) =>
    Array.from({ length: count }, () => {
      const line = auditLine(head, { action: "load", from: "local", result: "ok" }, Date.now());
      head = line.head;
      return `${line.text}\n`;
    }).join("");
  for (let file = 1; file <= AUDIT_FILES; file++) {
    const path = join(trail, nameOf(head.seq + 1));
    let text = lines(1);
    if (file === AUDIT_FILES) text += lines(Math.ceil(AUDIT_FILE_BYTES / text.length));
    await Deno.writeTextFile(path, text, { mode: 0o600 });
  }
  return head.seq;
}

async function bigPartsIn(place: DevicePlace): Promise<string[]> {
  const paths = await filesBelow(cachePath(place)).catch(() => []);
  return paths.filter((path) => /\/[^./][^/]*\.big$/.test(path)).map((path) => join(cachePath(place), path));
}

faultTest({
  area: "process",
  fault: FAULT,
  operation: "cache prune",
  outcome: "each entry is whole or gone; run again, it ends; what was removed is fetched anew",
  ignore,
}, async () => {
  await using at = await deviceSite("ResourceUploader");
  const { folder, site, email, place } = at;
  const publisher = await V2Publisher.at(site);
  const content = keystream("pruned", SIZE_BYTES);
  await uploadOn({ ...place, flags: V1 }, email, content);
  await publisher.publish(content, { name: "second" });
  await using device = await startDeviceProcess(place);
  await signInOn(device.url, email);
  const prune = launchOf(["cache", "prune", "--all", "--model-cache-dir", cachePath(place)]);
  const steps = await killAtEachStep({ strace, folder: folder.path }, async () => {
    for (const resource of [name, "second"]) await loadFrom(device.url, bucket, resource);
    await eventually("both are cached", async () => (await bigPartsIn(place)).length === 2);
    for (const path of await bigPartsIn(place)) await Deno.utime(path, 0, 0); // or they are just in use
    return {
      async work(trap, arm) {
        arm();
        await trap.spawn(prune).output();
      },
      async check(step) {
        for (const resource of [name, "second"]) {
          assert.deepEqual((await loadFrom(device.url, bucket, resource)).bytes, content, step);
        }
      },
    };
  });
  assertSteps(steps, /^unlink/);
});
