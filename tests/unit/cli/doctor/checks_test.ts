import assert from "node:assert/strict";
import { join } from "node:path";
import { doctorChecks } from "../../../../cli/doctor/checks.ts";
import { AuditTrail } from "../../../../lib/audit/audit_trail.ts";
import { parseSettings } from "../../../../lib/config/config.ts";
import { TallyError } from "../../../../lib/errors.ts";
import { type Clock, systemClock } from "../../../../lib/system/clock.ts";
import { SmallResourceApi } from "../../../support/resource_api.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

/** What each check says: `ok`, `warning`, or the code of the error. */
async function examined(flags: Record<string, string>, clock: Clock = systemClock): Promise<Record<string, string>> {
  const settings = parseSettings({ flags, environment: () => undefined, file: {} });
  const results: Record<string, string> = {};
  for (const { name, run } of doctorChecks(settings, clock)) {
    results[name] = await run(AbortSignal.timeout(10_000)).then(({ status }) => status, (error) => {
      assert.ok(error instanceof TallyError, `${name}: ${error}`);
      return error.code;
    });
  }
  return results;
}

function hardwareFile(folder: string): Promise<void> {
  const facts = { cpu: "Cortex-A78AE", gpu: "", memory: "30", driveSerial: "0x1234" };
  return Deno.writeTextFile(join(folder, "hardware.json"), JSON.stringify(facts));
}

Deno.test("doctorChecks() find nothing wrong where everything is in its place but Docker", async () => {
  await using api = await SmallResourceApi.start();
  await using folder = await tempFolder();
  await hardwareFile(folder.path);
  await Deno.writeTextFile(join(folder.path, "images.enc"), "x");
  await Deno.writeTextFile(join(folder.path, "cdn.yaml"), "host: file:///media/usb\n");
  const flags = {
    "resource-api-url": api.url.href,
    "state-dir": join(folder.path, "state"),
    "model-cache-dir": join(folder.path, "models"),
    "hardware-file": join(folder.path, "hardware.json"),
    "images-path": join(folder.path, "images.enc"),
    "cdn-config": join(folder.path, "cdn.yaml"),
    "docker-host": `unix://${folder.path}/docker.sock`,
  };
  const { Docker, ...rest } = await examined(flags);
  assert.equal(Docker, "docker");
  assert.deepEqual(new Set(Object.values(rest)), new Set(["ok"]), JSON.stringify(rest));
  assert.deepEqual([...Deno.readDirSync(folder.path)].length, 3, "a check has made something");

  const slow: Clock = { now: () => Date.now() - 10 * 60_000, sleep: systemClock.sleep };
  assert.equal((await examined(flags, slow)).clock, "warning");
});

Deno.test("doctorChecks() name each thing that is not in its place", async () => {
  await using folder = await tempFolder();
  const state = join(folder.path, "state");
  await Deno.mkdir(state, { mode: 0o755 });
  await new AuditTrail(join(state, "audit"), systemClock).record({ action: "load", from: "local", result: "ok" });
  const trail = join(state, "audit/audit-000000000001.jsonl");
  await Deno.writeTextFile(trail, (await Deno.readTextFile(trail)).replace("load", "none"));
  await Deno.writeTextFile(join(folder.path, "models"), "a file");
  const found = await examined({
    "resource-api-url": "http://127.0.0.1:9",
    "state-dir": state,
    "model-cache-dir": join(folder.path, "models"),
    "hardware-file": join(folder.path, "none.json"),
    "images-path": join(folder.path, "none.enc"),
    "cdn-config": join(folder.path, "none.yaml"),
    "docker-host": `unix://${folder.path}/docker.sock`,
    "jwt-verify": "off",
  });
  assert.deepEqual(found, {
    "pins": "ok",
    "device state": "ok",
    "state folder": "warning",
    "cache folder": "configuration",
    "audit trail": "integrity",
    "TLS": "ok",
    "hardware facts": "configuration",
    "API": "unavailable",
    "clock": "unavailable",
    "token keys": "warning",
    "CDN": "configuration",
    "Docker": "docker",
    "archive": "warning",
  });
});

Deno.test("doctorChecks() name damaged pins and a damaged state of the device", async () => {
  await using folder = await tempFolder();
  const flags = {
    "resource-api-url": "http://127.0.0.1:1/",
    "state-dir": join(folder.path, "state"),
    "model-cache-dir": join(folder.path, "models"),
  };
  for (const name of ["state", "models"]) await Deno.mkdir(join(folder.path, name), { mode: 0o700 });
  for (
    const [file, check] of [["models/.pins.json", "pins"], ["state/floors.json", "device state"], [
      "state/trust.json",
      "device state",
    ]]
  ) {
    const path = join(folder.path, file ?? "");
    await Deno.writeTextFile(path, "{");
    const { pins, "device state": state } = await examined(flags);
    assert.deepEqual({ pins, state }, {
      pins: "ok",
      state: "ok",
      [check === "pins" ? "pins" : "state"]: "configuration",
    });
    await Deno.remove(path);
  }
});
