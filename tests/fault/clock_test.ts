import assert from "node:assert/strict";
import { join } from "node:path";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import { removeBusyFolder } from "../support/busy_folder.ts";
import {
  cachePath,
  type DevicePlace,
  loadFrom,
  replyOf,
  type ServiceProcess,
  signInOn,
  startDeviceProcess,
  statePath,
  uploadTo,
} from "../support/device_process.ts";
import { post } from "../support/device_round.ts";
import { deviceSite } from "../support/device_site.ts";
import { fakedClock } from "../support/faked_clock.ts";
import { faultTest } from "../support/fault_test.ts";
import { keystream } from "../support/keystream.ts";
import { OriginSite, PASSWORD } from "../support/origin_site.ts";
import { peerPath } from "../support/peers.ts";
import { startS3Server } from "../support/s3_server.ts";
import { shiftedClock } from "../support/shifted_clock.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

const faketime = peerPath("faketime") ?? "";
const versitygw = peerPath("versitygw") ?? "";
const ignore = faketime === "";
const { folder: bucket, name } = V2_RESOURCE;
const SIZE_BYTES = 300_000;
/** More than sockets hold: who reads slowly holds it up. */
const LARGE_BYTES = 24 * 1024 * 1024;
const HOUR_MS = 3600_000;
const TEN_YEARS_MS = 3652 * 24 * HOUR_MS;
const FAILURES = 10;

async function login(url: string, email: string, password = PASSWORD) {
  return await replyOf(await post(`${url}/login`, JSON.stringify({ email, password })));
}

faultTest({
  area: "clock",
  fault: "device's clock leaps ahead and back by an hour and by ten years",
  operation: "sign-in, load (v2), with keys of tokens that change meanwhile",
  outcome: "an hour is no matter; ten years ahead both are refused by what expired; set right, all is well at once",
  ignore,
}, async () => {
  await using at = await deviceSite("Operator");
  const { folder, site, email, place } = at;
  const publisher = await V2Publisher.at(site);
  const clock = await fakedClock(faketime, folder.path);
  await using device = await startDeviceProcess(place, clock);
  await signInOn(device.url, email);
  let seq = 0;
  const loadNewest = async () => {
    const content = keystream(`version ${++seq}`, SIZE_BYTES);
    await publisher.publish(content, { seq });
    const reply = await loadFrom(device.url, bucket, name);
    if (reply.status === 200) assert.deepEqual(reply.bytes, content);
    return reply;
  };
  assert.equal((await loadNewest()).status, 200);
  for (const offsetMs of [HOUR_MS, -HOUR_MS, -TEN_YEARS_MS, TEN_YEARS_MS, 0, HOUR_MS, 0]) {
    await clock.set(offsetMs);
    await ORIGIN_COMMANDS["rotate-keys"]({ dataDir: site.dataDir });
    const signedIn = await login(device.url, email);
    const loaded = await loadNewest();
    if (offsetMs !== TEN_YEARS_MS) {
      assert.deepEqual([signedIn.status, loaded.status], [200, 200], `${offsetMs}: ${signedIn.detail}${loaded.detail}`);
      continue;
    }
    assert.deepEqual([signedIn.status, loaded.code], [401, "integrity"], `${signedIn.detail} ${loaded.detail}`);
    assert.match(signedIn.detail, /it has expired, by the clock of this machine/);
    assert.match(loaded.detail, /has expired/);
  }
  const { clockMs } = JSON.parse(await Deno.readTextFile(join(statePath(place), "floors.json")));
  assert.ok(
    clockMs < Date.now() + 2 * HOUR_MS,
    "the floor of the clock follows no leap that the origin does not confirm",
  );
  await verifyTrail(join(statePath(place), "audit"));
});

faultTest({
  area: "clock",
  fault: "device's clock leaps by ten years, ahead and back",
  operation: "load (v2) that is under way",
  outcome: "the caller gets all bytes",
  ignore,
}, async () => {
  await using at = await deviceSite("Operator");
  const { folder, site, email } = at;
  const publisher = await V2Publisher.at(site);
  const clock = await fakedClock(faketime, folder.path);
  const place: DevicePlace = { ...at.place, flags: { "limit-rate": "16M" } };
  await using device = await startDeviceProcess(place, clock);
  await signInOn(device.url, email);
  const content = keystream("large", LARGE_BYTES);
  await publisher.publish(content);
  for (const offsetMs of [TEN_YEARS_MS, -TEN_YEARS_MS]) {
    await clock.set(0);
    await removeBusyFolder(cachePath(place));
    const answer = await post(`${device.url}/load/${name}`, JSON.stringify({ filename: name, folder: bucket }));
    const reader = (answer.body ?? new ReadableStream<Uint8Array<ArrayBuffer>>()).getReader();
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (parts.push(next.value) === 1) await clock.set(offsetMs);
    }
    assert.deepEqual(new Uint8Array(await new Blob(parts).arrayBuffer()), content, String(offsetMs));
  }
});

faultTest({
  area: "clock",
  fault: "device's clock is wrong by an hour or ten years, either way",
  operation: "load (v1) from S3, which refuses signatures of another time",
  outcome: "the same bytes: signatures follow the server's clock",
  ignore: ignore || versitygw === "",
}, async () => {
  await using at = await deviceSite("ResourceUploader");
  const { folder, email } = at;
  await using s3 = await startS3Server({ program: versitygw, bucket });
  const { downloader, uploader, endpoint } = s3.settings;
  const keys = [["downloader", downloader], ["uploader", uploader ?? downloader]] as const;
  const lines = keys.flatMap(([who, { id, secret }]) => [
    `${who}_access_key: ${id.reveal()}`,
    `${who}_access_secret: ${secret.reveal()}`,
  ]);
  const config = join(folder.path, "cdn.yaml");
  await Deno.writeTextFile(config, [`host: ${endpoint.href}`, ...lines, ""].join("\n"), { mode: 0o600 });
  const clock = await fakedClock(faketime, folder.path);
  const flags = { "resource-format": "v1", "cdn-config": config };
  const place: DevicePlace = { ...at.place, flags };
  await using device = await startDeviceProcess(place, clock);
  await signInOn(device.url, email);
  const content = keystream("s3", SIZE_BYTES);
  const uploaded = await uploadTo(device.url, content, name);
  assert.equal(uploaded.status, 200, uploaded.detail);
  for (const offsetMs of [HOUR_MS, -HOUR_MS, TEN_YEARS_MS, -TEN_YEARS_MS]) {
    await clock.set(offsetMs);
    await removeBusyFolder(cachePath(place));
    const { status, source, bytes, detail } = await loadFrom(device.url, bucket, name);
    assert.deepEqual([status, source], [200, "cdn"], `${offsetMs}: ${detail}`);
    assert.deepEqual(bytes, content);
  }
});

faultTest({
  area: "clock",
  fault: "device's clock is set back by an hour or ten years, or ahead",
  operation: "sign-in of an account that guessing has locked",
  outcome: "429 before; the right password is taken at once, and nobody is locked out for years",
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const originClock = shiftedClock();
  await using site = await OriginSite.start({ clock: originClock });
  const clock = await fakedClock(faketime, folder.path);
  for (const [index, offsetMs] of [-HOUR_MS, -TEN_YEARS_MS, HOUR_MS].entries()) {
    await clock.set(0);
    const { email } = await site.user("Operator", `locked-${index}@example.com`);
    await using device = await startDeviceProcess({ folder: folder.path, origin: site }, clock);
    await lock(device, email);
    originClock.advance(HOUR_MS); // its own lock is over
    await clock.set(offsetMs);
    assert.equal((await login(device.url, email)).status, 200, String(offsetMs));
  }
});

async function lock({ url }: ServiceProcess, email: string): Promise<void> {
  await Promise.all(Array.from({ length: FAILURES }, () => login(url, email, "wrong")));
  const refused = await login(url, email);
  assert.equal(refused.status, 429, refused.detail);
}

faultTest({
  area: "clock",
  fault: "origin's clock leaps ahead and back by an hour and by ten years",
  operation: "sign-in, load (v2) on a device whose clock is right",
  outcome: "ten years behind, what it hands out has expired and is refused; otherwise all is well; set right, at once",
}, async () => {
  const clock = shiftedClock();
  await using at = await deviceSite("Operator", { clock });
  const { site, email, place } = at;
  const publisher = await V2Publisher.at(site);
  let content = keystream("content", SIZE_BYTES);
  await publisher.publish(content);
  await using device = await startDeviceProcess(place);
  let nowMs = 0;
  for (const offsetMs of [0, HOUR_MS, -HOUR_MS, TEN_YEARS_MS, -TEN_YEARS_MS, 0]) {
    clock.advance(offsetMs - nowMs);
    nowMs = offsetMs;
    const signedIn = await login(device.url, email);
    const isBehind = offsetMs === -TEN_YEARS_MS;
    assert.equal(signedIn.status, isBehind ? 401 : 200, `${offsetMs}: ${signedIn.detail}`);
    if (isBehind) await publisher.publish(content = keystream("newer", SIZE_BYTES), { seq: 2 });
    const loaded = await loadFrom(device.url, bucket, name);
    if (isBehind) assert.deepEqual([loaded.code, /its grant has expired/.test(loaded.detail)], ["integrity", true]);
    else assert.deepEqual(loaded.bytes, content, `${offsetMs}: ${loaded.detail}`);
  }
});
