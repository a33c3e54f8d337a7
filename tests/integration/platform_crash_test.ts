import assert from "node:assert/strict";
import { join } from "node:path";
import { backupOrigin } from "../../origin/backup.ts";
import { collectGarbage } from "../../origin/garbage.ts";
import { restoreOrigin } from "../../origin/restore.ts";
import { State } from "../../origin/state.ts";
import { eventually } from "../support/eventually.ts";
import { keystream } from "../support/keystream.ts";
import { filesBelow, OriginSite } from "../support/origin_site.ts";
import { checksumItem, PlatformUser, type ShownItem } from "../support/platform_site.ts";
import { tempFolder } from "../support/temp_folder.ts";

const CHILD = join(import.meta.dirname ?? "", "../support/origin_child.ts");
const ITEM_COUNT = 60;
const INPUT_BYTES = 4 * 1024 ** 2;
const DAY_MS = 24 * 3600_000;
const { signal } = new AbortController();

/** Serves the folder of a stopped site in a process of its own until `enough`, and kills it then. */
async function serveUntil(site: OriginSite, enough: () => Promise<boolean>): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", CHILD, site.dataDir],
    stdout: "piped",
    stderr: "null",
  })
    .spawn();
  const reader = child.stdout.getReader();
  try {
    site.url = new TextDecoder().decode((await reader.read()).value).trim();
    await eventually("the run has come far enough", enough);
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
  }
}

Deno.test("a run outlives kills of the origin: every item ends once, and nothing is left", async () => {
  await using site = await OriginSite.start();
  const first = await PlatformUser.administrator(site);
  const bytes = keystream("input", INPUT_BYTES);
  const url = await first.upload(bytes);
  await site.stop();
  let runId: string | undefined;
  for (const goal of [1, 10, 20]) {
    await serveUntil(site, async () => {
      const user = await PlatformUser.administrator(site);
      runId ??= await user.submit(Array.from({ length: ITEM_COUNT }, (_, index) => checksumItem(`item ${index}`, url)));
      const { statistics } = await user.run(runId);
      const { item_count, ...parts } = statistics;
      assert.equal(Object.values(parts).reduce((sum, count) => sum + count, 0), item_count, "the numbers add up");
      return (statistics.item_succeeded_count ?? 0) >= goal;
    });
  }
  await site.serve();
  const user = await PlatformUser.administrator(site);
  const run = await user.ended(runId ?? "", 60_000);
  assert.deepEqual([run.output, run.statistics.item_succeeded_count], ["FULL", ITEM_COUNT]);
  const items = await user.json<ShownItem[]>("GET", `/runs/${run.run_id}/items?page_size=100`);
  const sums = new Set<string>();
  for (const item of items) {
    const [output] = item.output_artifacts;
    assert.ok(output !== undefined);
    sums.add(await (await fetch(await user.fileUrl(run.run_id, output))).text());
  }
  assert.equal(sums.size, 1);
  using state = await State.open(site.dataDir, 0);
  const [objects, named] = [
    state.get("SELECT count(*) AS count FROM objects WHERE bucket = '_outputs'")?.count,
    state.get("SELECT count(object_key) AS count FROM platform_outputs")?.count,
  ];
  assert.deepEqual([objects, named], [ITEM_COUNT, ITEM_COUNT], "what killed workers had stored is gone");
  assert.deepEqual((await filesBelow(site.dataDir)).filter((path) => path.endsWith(".partial")), []);
});

Deno.test("an item at which the origin dies again and again fails, and holds nothing else up", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const url = await user.upload("content");
  await site.stop();
  const runId = "00000000-0000-4000-8000-000000000001";
  {
    using state = await State.open(site.dataDir, 0);
    state.run(
      `INSERT INTO platform_runs (run_id, application_id, version_number, state, submitted_ms, submitted_by, organization_id)
       SELECT ?, 'checksum', '1.0.0', 'PROCESSING', 1, id, organization_id FROM users`,
      runId,
    );
    for (const [id, deaths] of [["deadly", 2], ["unlucky", 1]] as const) {
      state.run(
        `INSERT INTO platform_items (item_id, run_id, organization_id, external_id, due_ms, state, attempt, deaths)
         VALUES (?, ?, '', ?, 1, 'PROCESSING', 9, ?)`,
        id,
        runId,
        id,
        deaths,
      );
      state.run("INSERT INTO platform_inputs VALUES (?, ?, 0, 'file', ?, '{}')", id, id, url);
      state.run("INSERT INTO platform_outputs VALUES (?, ?, 0, 'checksums', 'application/json', NULL, NULL)", id, id);
    }
  }
  await site.serve();
  const again = await PlatformUser.administrator(site);
  const run = await again.ended(runId);
  assert.equal(run.output, "PARTIAL");
  const ends = (await again.items(runId)).map((item) => [item.external_id, item.termination_reason, item.error_code]);
  assert.deepEqual(ends, [["deadly", "SYSTEM_ERROR", "SYSTEM.INTERRUPTED"], ["unlucky", "SUCCEEDED", null]]);
});

Deno.test("a backup brings runs and their artifacts back", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const runId = await user.submit([checksumItem("a", await user.upload("content"))], {
    custom_metadata: { kept: true },
  });
  await user.ended(runId);
  const out = join(folder.path, "origin.tar");
  await backupOrigin({ dataDir: site.dataDir, out, signal });
  const { output_artifacts: [output] } = (await user.items(runId))[0] ?? { output_artifacts: [] };
  assert.ok(output !== undefined);
  const text = await (await fetch(await user.fileUrl(runId, output))).text();
  await site.stop();
  await Deno.remove(site.dataDir, { recursive: true });
  await restoreOrigin({ from: out, dataDir: site.dataDir, signal });
  await site.serve();
  const again = await PlatformUser.administrator(site);
  assert.deepEqual((await again.run(runId)).custom_metadata, { kept: true });
  assert.equal(await (await fetch(await again.fileUrl(runId, output))).text(), text);
});

Deno.test("collectGarbage() removes artifacts 30 days after their run, and what nobody names", async () => {
  await using site = await OriginSite.start();
  const user = await PlatformUser.administrator(site);
  const [old, young] = [
    await user.submit([checksumItem("a", await user.upload("old"))]),
    await user.submit([checksumItem("a", await user.upload("young"))]),
  ];
  await user.ended(old);
  await user.ended(young);
  await site.stop();
  await makeOld(site, old);
  const before = await filesBelow(join(site.dataDir, "objects"));
  const found = await collectGarbage({ dataDir: site.dataDir, dryRun: true });
  assert.deepEqual(await filesBelow(join(site.dataDir, "objects")), before, "it only looks");
  assert.equal(found.length, 3, "an output, an input, and one that a killed worker left");
  assert.deepEqual(await collectGarbage({ dataDir: site.dataDir, dryRun: false }), found);
  assert.equal((await filesBelow(join(site.dataDir, "objects"))).length, before.length - 3);
  await site.serve();
  const again = await PlatformUser.administrator(site);
  const outputs = async (runId: string) => (await again.items(runId))[0]?.output_artifacts[0]?.output;
  assert.deepEqual([await outputs(old), await outputs(young)], ["DELETED_BY_SYSTEM", "AVAILABLE"]);
});

/** As if a run had ended, and its input been sent, 31 days ago; and an output that nothing names. */
async function makeOld(site: OriginSite, runId: string): Promise<void> {
  using state = await State.open(site.dataDir, 0);
  const longAgo = new Date(Date.now() - 31 * DAY_MS);
  state.run("UPDATE platform_runs SET terminated_ms = ? WHERE run_id = ?", longAgo.getTime(), runId);
  const url = state.get(
    "SELECT download_url FROM platform_inputs JOIN platform_items USING (item_id) WHERE run_id = ?",
    runId,
  )
    ?.download_url;
  const key = new URL(String(url)).pathname.split("/").at(-1) ?? "";
  const blob = state.get("SELECT blob FROM objects WHERE key = ?", key)?.blob;
  await Deno.utime(join(site.dataDir, "objects", String(blob)), longAgo, longAgo);
  const stray = "f".repeat(32);
  state.run("INSERT INTO objects VALUES ('_outputs', ?, ?, 1, ?, NULL)", crypto.randomUUID(), stray, "0".repeat(64));
  await Deno.writeTextFile(join(site.dataDir, "objects", stray), "x");
}
