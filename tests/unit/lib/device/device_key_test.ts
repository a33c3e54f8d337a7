import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../../../lib/bytes.ts";
import { deviceKey, deviceKid } from "../../../../lib/device/device_key.ts";
import { StateFolder } from "../../../../lib/device/state_folder.ts";
import { ConfigurationError, IntegrityError } from "../../../../lib/errors.ts";
import type { HardwareFacts } from "../../../../lib/hardware/probe.ts";
import { systemClock } from "../../../../lib/system/clock.ts";
import { FACTS } from "../../../support/hardware_facts.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const FILE = "device_key.json";

function changed(...names: (keyof HardwareFacts)[]): HardwareFacts {
  return { ...FACTS, ...Object.fromEntries(names.map((name) => [name, "another"])) };
}

Deno.test("deviceKey() is made once, for its owner only, and cannot be exported", async () => {
  await using folder = await tempFolder();
  const state = new StateFolder(folder.path, systemClock);
  assert.equal(await deviceKid(state), undefined);
  const [first, second] = await Promise.all([deviceKey(state, FACTS), deviceKey(state, FACTS)]);
  assert.equal(first.kid, second.kid);
  assert.equal(await deviceKid(state), first.kid);
  assert.equal(((await Deno.stat(join(folder.path, FILE))).mode ?? 0) & 0o777, 0o600);
  await assert.rejects(crypto.subtle.exportKey("pkcs8", first.pair.privateKey), { name: "InvalidAccessError" });
});

Deno.test("deviceKey() outlives a change of any one fact, one after the other, and of no two at once", async () => {
  await using folder = await tempFolder();
  const state = new StateFolder(folder.path, systemClock);
  const { kid } = await deviceKey(state, FACTS);
  const before = await Deno.readFile(join(folder.path, FILE));
  for (const names of [["cpu", "driveSerial"], ["gpu", "memory"]] as const) {
    await assert.rejects(deviceKey(state, changed(...names)), IntegrityError, names.join());
    assert.deepEqual(await Deno.readFile(join(folder.path, FILE)), before, "a refusal changes nothing");
  }
  for (const name of ["cpu", "gpu", "memory", "driveSerial"] as const) {
    await Deno.writeFile(join(folder.path, FILE), before);
    assert.equal((await deviceKey(state, changed(name))).kid, kid, name);
  }
  assert.equal((await deviceKey(state, changed("driveSerial", "cpu"))).kid, kid, "the second after the first");
});

Deno.test("deviceKey() opens nothing whose public half or wrapping was changed, and makes no new key in its place", async () => {
  await using folder = await tempFolder();
  const state = new StateFolder(folder.path, systemClock);
  await deviceKey(state, FACTS);
  const path = join(folder.path, FILE);
  const good = JSON.parse(await Deno.readTextFile(path));
  const other = "A".repeat(43);
  const files: [unknown, new (...args: never[]) => Error][] = [
    [{ ...good, publicX: other }, IntegrityError],
    [{ ...good, wrapped: { ...good.wrapped, sealed: "AAAA" } }, IntegrityError],
    [{ ...good, wrapped: { ...good.wrapped, slots: good.wrapped.slots.slice(1) } }, ConfigurationError],
    [{ ...good, wrapped: { ...good.wrapped, iterations: 1 } }, ConfigurationError],
    ["nothing", ConfigurationError],
  ];
  for (const [file, kind] of files) {
    const bytes = utf8(JSON.stringify(file));
    await Deno.writeFile(path, bytes);
    await assert.rejects(deviceKey(state, FACTS), kind, JSON.stringify(file).slice(0, 80));
    assert.deepEqual(await Deno.readFile(path), bytes);
  }
});
