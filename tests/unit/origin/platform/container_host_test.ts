import assert from "node:assert/strict";
import { join } from "node:path";
import { createLogger } from "../../../../lib/log.ts";
import { systemClock } from "../../../../lib/system/clock.ts";
import { containerHostOf, sweepContainers } from "../../../../origin/platform/container_host.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

Deno.test("sweepContainers() tells of a folder that cannot be removed, and lets the origin work", async () => {
  await using folder = await tempFolder();
  const host = await containerHostOf({
    dataDir: folder.path,
    dockerHost: `unix://${folder.path}/nowhere`,
    clock: systemClock,
  });
  const file = join(folder.path, "file");
  await Deno.writeTextFile(file, "");
  const lines: string[] = [];
  const log = createLogger({ level: "info", write: (line) => lines.push(line), now: () => 0 });
  await sweepContainers({ ...host, workFolder: join(file, "work.partial") }, AbortSignal.timeout(10_000), log);
  assert.deepEqual(lines.map((line) => JSON.parse(line).message), ["engine_away", "work_folder_left"]);
});
