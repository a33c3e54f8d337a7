import assert from "node:assert/strict";
import { join } from "node:path";
import { verifyTrail } from "../../../lib/audit/verify_trail.ts";
import { parseSettings } from "../../../lib/config/config.ts";
import { silentLogger } from "../../../lib/log.ts";
import { createServices } from "../../../lib/services.ts";
import { systemClock } from "../../../lib/system/clock.ts";
import { tempFolder } from "../../support/temp_folder.ts";

Deno.test("createServices() makes services that stop when the lines of the audit trail are written, also those for which nobody waits", async () => {
  await using folder = await tempFolder();
  const flags = {
    "resource-api-url": "https://api.example.com",
    "state-dir": join(folder.path, "state"),
    "model-cache-dir": join(folder.path, "models"),
  };
  const settings = parseSettings({ flags, environment: () => undefined, file: {} });
  const { audit, stop } = await createServices(settings, { log: silentLogger, clock: systemClock });
  const recorded = audit.record({ action: "unlock_end", from: "local", result: "interrupted" });
  await stop();
  assert.equal((await verifyTrail(join(folder.path, "state/audit"))).lines, 1);
  await recorded;
});
