import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigurationError } from "../../../../lib/errors.ts";
import { collectHardware, hardwareJson } from "../../../../lib/hardware/collect.ts";
import { hardwareFacts } from "../../../../lib/hardware/facts_file.ts";
import { hardwareString } from "../../../../lib/hardware/fingerprint.ts";
import { probeHardware } from "../../../../lib/hardware/probe.ts";
import expected from "../../../fixtures/hardware/facts.json" with { type: "json" };
import { tempFolder } from "../../../support/temp_folder.ts";

const TREES = fileURLToPath(new URL("../../../fixtures/hardware", import.meta.url));
const NOWHERE = "/nonexistent";

for (const machine of Object.keys(expected)) {
  Deno.test(`hardwareFacts() of a collected file gives the fingerprint of the ${machine} itself`, async () => {
    await using folder = await tempFolder();
    const hardwareFile = join(folder.path, "hardware.json");
    await collectHardware(`${TREES}/${machine}`, hardwareFile);
    assert.equal(
      hardwareString(await hardwareFacts({ hardwareFile, hardwareRoot: NOWHERE })),
      hardwareString(await probeHardware(`${TREES}/${machine}`)),
    );
  });
}

Deno.test("collectHardware() replaces the file as a whole, and everybody may read it", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "hardware.json");
  await Deno.writeTextFile(path, "old".repeat(1000), { mode: 0o600 });
  const facts = await collectHardware("/", path);
  assert.equal(await Deno.readTextFile(path), hardwareJson(facts));
  assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o644);
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["hardware.json"]);
});

const FACTS = { cpu: "Cortex-A76", gpu: "", memory: "7", driveSerial: "0x1" };

Deno.test("hardwareFacts() refuses a file that is anything but facts", async () => {
  await using folder = await tempFolder();
  const hardwareFile = join(folder.path, "hardware.json");
  const wrong: readonly string[] = [
    "",
    "null",
    "[]",
    "{}",
    JSON.stringify({ ...FACTS, cpu: 5 }),
    JSON.stringify({ ...FACTS, more: "" }),
    JSON.stringify({ cpu: "", gpu: "", memory: "" }),
    JSON.stringify({ ...FACTS, gpu: "two\nlines" }),
    JSON.stringify({ ...FACTS, gpu: "x".repeat(257) }),
  ];
  for (const text of wrong) {
    await Deno.writeTextFile(hardwareFile, text);
    await assert.rejects(hardwareFacts({ hardwareFile, hardwareRoot: "/" }), ConfigurationError, text);
  }
  await Deno.writeTextFile(hardwareFile, JSON.stringify(FACTS));
  assert.deepEqual(await hardwareFacts({ hardwareFile, hardwareRoot: "/" }), FACTS);
});

Deno.test("hardwareFacts() never falls back to a probe when the file is missing, or a link", async () => {
  await using folder = await tempFolder();
  const hardwareFile = join(folder.path, "hardware.json");
  await assert.rejects(hardwareFacts({ hardwareFile, hardwareRoot: "/" }), /there is no such file/);
  await Deno.symlink("/proc/cpuinfo", hardwareFile);
  await assert.rejects(hardwareFacts({ hardwareFile, hardwareRoot: "/" }), ConfigurationError);
});
