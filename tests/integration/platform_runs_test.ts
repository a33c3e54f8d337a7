import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { keystream } from "../support/keystream.ts";
import { OriginSite } from "../support/origin_site.ts";
import { checksumItem, PlatformUser } from "../support/platform_site.ts";

Deno.test("a submitted run is processed, and its artifacts are read by URLs that need no token", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.create(site, "user@example.com");
  const bytes = keystream("input", 300_000);
  const runId = await user.submit(
    [
      checksumItem("folder/a b&c#+.bin", await user.upload(bytes)),
      checksumItem("second", await user.upload("123456789")),
    ],
    { custom_metadata: { "ключ": [null, { deep: "ü\u0000" }] } },
  );
  const run = await user.ended(runId);
  assert.deepEqual([run.output, run.termination_reason, run.error_code], ["FULL", "ALL_ITEMS_PROCESSED", null]);
  assert.deepEqual(run.statistics, {
    item_count: 2,
    item_pending_count: 0,
    item_processing_count: 0,
    item_user_error_count: 0,
    item_system_error_count: 0,
    item_skipped_count: 0,
    item_succeeded_count: 2,
  });
  assert.deepEqual(run.custom_metadata, { "ключ": [null, { deep: "ü\u0000" }] });
  const item = await user.json<
    { output_artifacts: [{ output_artifact_id: string; name: string; metadata: never; output: "" }] }
  >(
    "GET",
    `/runs/${runId}/items/${encodeURIComponent("folder/a b&c#+.bin")}`,
  );
  const url = await user.fileUrl(runId, item.output_artifacts[0]);
  const answer = await fetch(url);
  const text = await answer.text();
  assert.equal(answer.headers.get("content-type"), "application/json");
  assert.equal(answer.headers.get("content-length"), String(text.length));
  assert.deepEqual(JSON.parse(text).sha256, createHash("sha256").update(bytes).digest("hex"));
  const part = await fetch(url, { headers: { range: "bytes=1-4", "if-range": answer.headers.get("etag") ?? "" } });
  assert.deepEqual([part.status, await part.text()], [206, text.slice(1, 5)]);
});
