import assert from "node:assert/strict";
import { ConfigurationError, NotSignedInError } from "../../../../lib/errors.ts";
import { readSettings, Service } from "../../../../lib/platform/service.ts";
import { SmallPlatform, TOKEN } from "../../../support/small_platform.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

Deno.test("Service with tokens from outside tells who asks, masks it, and signs nobody in or out", async () => {
  await using platform = new SmallPlatform();
  await using folder = await tempFolder();
  const settings = platform.settings({ AIGNOSTICS_CACHE_DIR: folder.path });
  const service = await Service.open({ settings, tokenProvider: () => Promise.resolve(TOKEN) });
  assert.equal((await service.getUserInfo()).user.email, "ada@example.com");
  const info = JSON.stringify(await service.info());
  assert.ok(info.includes("***MASKED(15)***"));
  assert.ok(!info.includes("hmac-secret-value") && !info.includes(TOKEN));
  assert.ok(JSON.stringify(await service.info({ maskSecrets: false })).includes("hmac-secret-value"));
  assert.equal((await service.health()).status, "UP");
  await assert.rejects(service.login(), ConfigurationError);
  await assert.rejects(service.logout(), ConfigurationError);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("Service takes the token of its settings, and reads the settings from the environment", async () => {
  await using platform = new SmallPlatform();
  const variables: Record<string, string> = { AIGNOSTICS_API_ROOT: platform.url.href, AIGNOSTICS_TOKEN: TOKEN };
  const service = await Service.open({ environment: (name) => variables[name] });
  assert.equal((await service.client.me()).user.name, "Ada");
  await assert.rejects(readSettings((name) => ({ AIGNOSTICS_API_ROOT: "ftp://x" })[name]), ConfigurationError);
});

Deno.test("Service without anybody signed in says so, and its health is degraded", async () => {
  await using platform = new SmallPlatform();
  await using folder = await tempFolder();
  const service = await Service.open({ settings: platform.settings({ AIGNOSTICS_CACHE_DIR: folder.path }) });
  await assert.rejects(
    service.client.me(),
    (error) => error instanceof NotSignedInError || error instanceof ConfigurationError,
  );
  assert.equal((await service.health()).status, "DEGRADED");
});
