/** Writes as many lines as the second argument says into the trail in the folder of the first, one after the other. */
import { AuditTrail } from "../../lib/audit/audit_trail.ts";
import { systemClock } from "../../lib/system/clock.ts";

const [folder = "", count] = Deno.args;
const trail = new AuditTrail(folder, systemClock, { limits: { fileBytes: 2000, files: 100 } });
for (let line = 0; line < Number(count); line++) {
  await trail.record({ action: "load", resource: `models/${Deno.pid}.${line}`, from: "local", result: "ok" });
}
