import assert from "node:assert/strict";
import { join } from "node:path";
import { CacheQuota } from "../../lib/cdn/cache_quota.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { keystream } from "../support/keystream.ts";
import { OriginSite } from "../support/origin_site.ts";
import { V2Device } from "../support/v2_device.ts";
import { V2_RESOURCE, V2Publisher } from "../support/v2_publisher.ts";

const SIZE_BYTES = 100_000;
const HOUR_MS = 3_600_000;

Deno.test("a pin keeps the version in format v2 that was used last, by the name of its resource, and no other", async () => {
  await using site = await OriginSite.start();
  const publisher = await V2Publisher.at(site);
  const { email } = await site.user("Operator");
  await using device = await V2Device.start(site);
  await device.signIn(email);
  const { folder, name } = V2_RESOURCE;
  for (const seq of [1, 2]) {
    await publisher.publish(keystream(`version ${seq}`, SIZE_BYTES), { seq });
    await device.load(folder, name);
  }
  await publisher.publish(keystream("other", SIZE_BYTES), { name: "other.onnx" });
  await device.load(folder, "other.onnx");
  await device.stop();

  const clock = { ...systemClock, now: () => Date.now() + HOUR_MS };
  const quota = new CacheQuota(join(device.folder.path, "cache"), { quotaBytes: undefined, clock });
  const entries = await quota.list();
  assert.deepEqual(entries.map(({ resources }) => resources), [[name], [name], ["other.onnx"]]);
  await quota.repin({ pin: [`${folder}/${name}`] });
  assert.deepEqual((await quota.list()).map(({ pinned }) => pinned), [false, true, false]);
  const { removed } = await quota.prune({ quotaBytes: 0 });
  assert.deepEqual(removed.map((entry) => entry.resources), [[name], ["other.onnx"]]);
  const left = await Array.fromAsync(Deno.readDir(join(device.folder.path, "cache", folder)), (entry) => entry.name);
  const [newest = ""] = entries.slice(1).map((entry) => `${entry.name}.big`);
  assert.deepEqual(left.sort(), [newest, `${newest}.json`]);
});
