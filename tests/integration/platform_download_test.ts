import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { parsePlatformSettings } from "../../lib/config/platform_settings.ts";
import { Client } from "../../lib/platform/client.ts";
import { keystream } from "../support/keystream.ts";
import { OriginSite } from "../support/origin_site.ts";
import { checksumItem, PlatformUser } from "../support/platform_site.ts";
import { tempFolder } from "../support/temp_folder.ts";

Deno.test("Run.download() brings what a run at the origin's platform gave, and waits for what is not ready", async () => {
  await using site = await OriginSite.start();
  await using folder = await tempFolder();
  const user = await PlatformUser.create(site, "user@example.com");
  const bytes = keystream("input", 300_000);
  const runId = await user.submit([
    checksumItem("folder/a b&c#+.bin", await user.upload(bytes)),
    checksumItem("../../escaped", await user.upload("123456789")),
  ]);
  const client = new Client({
    settings: parsePlatformSettings({
      flags: { AIGNOSTICS_API_ROOT: site.url },
      environment: () => undefined,
      files: [],
    }),
    tokenProvider: () => Promise.resolve(user.token),
  });
  const run = client.run(runId);
  const { downloaded, failed } = await run.download(folder.path, { wait: true, pollMs: 100 });
  assert.deepEqual(failed, []);
  assert(downloaded >= 2);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(folder.path), ({ name }) => name), [runId]);
  const item = join(folder.path, runId, "folder/a b&c#+.bin");
  const [name = ""] = await Array.fromAsync(Deno.readDir(item), ({ name }) => name);
  assert.match(await Deno.readTextFile(join(item, name)), new RegExp(createHash("sha256").update(bytes).digest("hex")));

  await Deno.writeTextFile(join(item, name), "damaged");
  const again = await run.download(folder.path);
  assert.deepEqual([again.downloaded, again.skipped], [1, downloaded - 1]);
});
