import assert from "node:assert/strict";
import { join } from "node:path";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { isTaken } from "../../lib/system/files.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import {
  cachePath,
  type DevicePlace,
  launchOf,
  loadFrom,
  signInOn,
  startDeviceProcess,
  startOriginProcess,
  statePath,
  uploadTo,
} from "../support/device_process.ts";
import { deviceSite } from "../support/device_site.ts";
import { eventually } from "../support/eventually.ts";
import { type FailingCalls, failingCalls, FLUSHES, RENAMES } from "../support/failing_calls.ts";
import { faultTest } from "../support/fault_test.ts";
import { keystream } from "../support/keystream.ts";
import { floorOf, nothingIsLeft } from "../support/killed_device.ts";
import { filesBelow, OriginSite, PASSWORD } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { publishingFlags } from "../support/publishing_device.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

const strace = peerPath("strace") ?? "";
const ignore = strace === "";
const { folder: bucket, name } = V2_RESOURCE;
const SIZE_BYTES = 100_000;
const CODES: Readonly<Record<string, string>> = { EIO: "disk_failed", ENOSPC: "disk_full" };
const FAULTS: readonly FailingCalls[] = [FLUSHES, RENAMES].flatMap((calls) =>
  Object.keys(CODES).map((error) => ({ calls, error }))
);

function textOf({ calls, error, path = "" }: FailingCalls): string {
  return `${error} on ${calls} ${path}`;
}

/** Does something while system calls of a process fail. */
async function whileFailing<T>(pid: number, fault: FailingCalls, work: () => Promise<T>): Promise<T> {
  await using _failing = await failingCalls({ strace, pid }, fault);
  return await work();
}

faultTest({
  area: "disk",
  fault: "EIO or ENOSPC on fsync and rename",
  operation: "load (v2) of a newer version",
  outcome: "507, not one byte leaves before the floor is raised; the floor stays; later the same device loads it",
  ignore,
}, async () => {
  await using at = await deviceSite("Operator");
  const { site, email, place } = at;
  const publisher = await V2Publisher.at(site);
  await using device = await startDeviceProcess(place);
  await signInOn(device.url, email);
  const versionOf = (seq: number) => keystream(`version ${seq}`, SIZE_BYTES);
  await publisher.publish(versionOf(1), { seq: 1 });
  await loadFrom(device.url, bucket, name);
  for (const [index, fault] of FAULTS.entries()) {
    const seq = index + 2;
    await publisher.publish(versionOf(seq), { seq });
    const { status, code } = await whileFailing(device.child.pid, fault, () => loadFrom(device.url, bucket, name));
    assert.deepEqual({ status, code }, { status: 507, code: CODES[fault.error] }, textOf(fault));
    assert.equal(await floorOf(place), seq - 1, textOf(fault));
    await nothingIsLeft(statePath(place), textOf(fault));
    assert.deepEqual((await loadFrom(device.url, bucket, name)).bytes, versionOf(seq), textOf(fault));
    assert.equal(await floorOf(place), seq, textOf(fault));
  }
  await verifyTrail(join(statePath(place), "audit"));
});

faultTest({
  area: "disk",
  fault: "EIO or ENOSPC on write, fsync and ftruncate in the cache",
  operation: "load (v2)",
  outcome: "the caller gets all bytes, uncached; nothing has the name of a big part; the next load fills the cache",
  ignore,
}, async () => {
  await using at = await deviceSite("Operator");
  const { site, email, place } = at;
  const publisher = await V2Publisher.at(site);
  await using device = await startDeviceProcess(place);
  await signInOn(device.url, email);
  for (const [index, calls] of ["write", FLUSHES, "ftruncate"].entries()) {
    for (const [odd, error] of Object.keys(CODES).entries()) {
      const content = keystream(`${calls} ${error}`, SIZE_BYTES);
      const { manifest } = await publisher.publish(content, { seq: 1 + 2 * index + odd });
      const big = join(cachePath(place), bucket, manifest.big.key);
      const fault = { calls, error, path: join(cachePath(place), bucket, `.${manifest.big.key}.part`) };
      await whileFailing(device.child.pid, fault, async () => {
        const { bytes, source } = await loadFrom(device.url, bucket, name);
        assert.deepEqual({ bytes, source }, { bytes: content, source: "cdn" }, textOf(fault));
        await eventually("the cache gave up", () => Promise.resolve(warningsOf(device.log()) > 2 * index + odd));
      });
      assert.equal(await isTaken(big), false, textOf(fault));
      assert.deepEqual((await loadFrom(device.url, bucket, name)).bytes, content, textOf(fault));
      await eventually("it is cached", () => isTaken(big));
    }
  }
  await device.stop();
  await nothingIsLeft(cachePath(place));
});

function warningsOf(log: string): number {
  return log.split("cache_not_changed").length - 1;
}

faultTest({
  area: "disk",
  fault: "EIO or ENOSPC on write, fdatasync and ftruncate in the audit trail",
  operation: "sign-in",
  outcome: "the call goes on, the log says that its line is missing; the trail verifies, and takes the next line",
  ignore,
}, async () => {
  await using at = await deviceSite("Operator");
  const { email, place } = at;
  await using device = await startDeviceProcess(place);
  await signInOn(device.url, email);
  const trail = join(statePath(place), "audit");
  const path = join(trail, "audit-000000000001.jsonl");
  let failures = 0;
  for (const calls of ["write", "fdatasync", "ftruncate"]) {
    for (const error of Object.keys(CODES)) {
      const before = await verifyTrail(trail);
      await whileFailing(device.child.pid, { calls, error, path }, () => signInOn(device.url, email));
      assert.equal(device.log().split("audit_failed").length - 1, ++failures, `${error} on ${calls}`);
      await signInOn(device.url, email);
      const { lines } = await verifyTrail(trail);
      assert.ok(lines > before.lines && lines <= before.lines + 3, `${error} on ${calls}`);
    }
  }
});

faultTest({
  area: "disk",
  fault: "EIO or ENOSPC on fsync and rename",
  operation: "upload (v2), to a folder as the CDN",
  outcome: "507, or 503 where the folder is to blame; nothing is published, nothing is left over; later it is taken",
  ignore,
}, async () => {
  await using at = await deviceSite("ResourceUploader");
  const { folder, site, email } = at;
  const place = { ...at.place, flags: await publishingFlags(folder.path, site) };
  await using device = await startDeviceProcess(place);
  await signInOn(device.url, email);
  const versions = async () => (await ORIGIN_COMMANDS["version list"]({ dataDir: site.dataDir })).length;
  for (const [index, fault] of FAULTS.entries()) {
    const published = await filesBelow(join(folder.path, "cdn"));
    const { status } = await whileFailing(device.child.pid, fault, () => upload(device.url, index));
    assert.equal(status, fault.error === "EIO" ? 503 : 507, textOf(fault));
    assert.equal(await versions(), index, textOf(fault));
    assert.deepEqual(await filesBelow(join(folder.path, "cdn")), published, textOf(fault));
    await nothingIsLeft(folder.path, textOf(fault));
    assert.equal((await upload(device.url, index)).status, 200, textOf(fault));
    assert.equal(await versions(), index + 1, textOf(fault));
  }
});

function upload(url: string, number: number) {
  return uploadTo(url, keystream(`version ${number}`, SIZE_BYTES), name);
}

faultTest({
  area: "disk",
  fault: "EIO or ENOSPC on fsync, rename, and what SQLite writes",
  operation: "origin: an object is replaced, a version is published, an account is made",
  outcome: "507 each; the old object, no version, no account, and nothing left over; later all three are taken",
  ignore,
}, async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const admin = await site.adminToken();
  const { writer: token } = await site.objectTokens();
  await site.stop();
  await using origin = await startOriginProcess(site.dataDir);
  site.url = origin.url;
  const put = (text: string) => site.call("PUT", "/objects/models/a.big", { token, body: keystream(text, 1000) });
  const add = (email: string) =>
    site.call("POST", "/users", { token: admin, json: { email, password: PASSWORD, role: "Operator" } });
  assert.equal((await put("old")).status < 300, true);
  const faults = [...FAULTS, { calls: "pwrite64", error: "EIO" }, { calls: "pwrite64", error: "ENOSPC" }];
  for (const [index, fault] of faults.entries()) {
    const why = textOf(fault);
    const isName = fault.calls === RENAMES; // SQLite renames nothing, and so takes version and account
    const version = await publisher.seal(keystream(why, 1000), { seq: index + 1 });
    const email = `user-${index}@example.com`;
    const files = await filesBelow(join(site.dataDir, "objects"));
    const statuses = await whileFailing(origin.child.pid, fault, async () => [
      (await put(why)).status,
      (await publisher.send(version)).status,
      (await add(email)).status,
    ]);
    assert.deepEqual(statuses, isName ? [507, 201, 200] : [507, 507, 507], why);
    assert.deepEqual((await site.call("GET", "/objects/models/a.big", { token })).bytes, keystream("old", 1000), why);
    assert.deepEqual(await filesBelow(join(site.dataDir, "objects")), files, why);
    await nothingIsLeft(site.dataDir, why);
    assert.ok([200, 201].includes((await publisher.send(version)).status), why);
    if (!isName) assert.equal((await add(email)).status, 200, why);
    await site.signIn(email);
  }
  await origin.stop();
  await site.serve();
  await verifyTrail(join(site.dataDir, "audit"));
});

faultTest({
  area: "disk",
  fault: "EIO or ENOSPC on fsync and rename",
  operation: "tally load -o, tally origin backup",
  outcome: "exit code 8 and one sentence; no file, whole or half",
  ignore,
}, async () => {
  await using at = await deviceSite("Operator");
  const { folder, site, email } = at;
  const publisher = await V2Publisher.at(site);
  await publisher.publish(keystream("file", SIZE_BYTES));
  const place: DevicePlace = { folder: join(folder.path, "device"), origin: site };
  await Deno.mkdir(place.folder);
  await using device = await startDeviceProcess(place);
  await signInOn(device.url, email);
  const target = join(folder.path, "target");
  await Deno.mkdir(target);
  const out = join(target, "file");
  const commands = [
    ["load", name, "--folder", bucket, "-o", out, "--device-url", device.url],
    ["origin", "backup", "--data-dir", site.dataDir, "--out", out],
  ];
  for (const { calls, error } of FAULTS) {
    for (const words of commands) {
      const { program, args, env } = launchOf(words);
      const inject = [
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        `trace=${calls}`,
        "-e",
        `inject=${calls}:error=${error}`,
      ];
      const { code, stderr } = await new Deno.Command(strace, {
        args: [...inject, "--", program, ...args],
        clearEnv: true,
        env,
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).output();
      const said = new TextDecoder().decode(stderr);
      assert.equal(code, 8, `${error} on ${calls}: ${words[0]}: ${said}`);
      assert.match(said, /Cannot (write|use)/);
      assert.deepEqual(await filesBelow(target), [], `${error} on ${calls}: ${words[0]}`);
    }
  }
});
