import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../lib/bytes.ts";
import { ConfigurationError } from "../../lib/errors.ts";
import { backupOrigin } from "../../origin/backup.ts";
import { collectGarbage } from "../../origin/garbage.ts";
import { fileForm, filesBelow, OriginSite } from "../support/origin_site.ts";
import { tally } from "../support/tally.ts";
import { tempFolder } from "../support/temp_folder.ts";

const GARBAGE = [
  `objects/.${crypto.randomUUID()}.partial`,
  `objects/${"0".repeat(32)}`,
  `resources/models/.${crypto.randomUUID()}.partial`,
];

/** @returns the files that must stay */
async function populate(site: OriginSite): Promise<string[]> {
  const { token } = await site.user("ResourceUploader");
  const { writer } = await site.objectTokens();
  const put = await site.call("PUT", "/objects/models/a.big", { token: writer, body: "big" });
  const post = await site.call("POST", "/resources/models", { token, body: fileForm(utf8("small"), "a.small") });
  assert.deepEqual([put.status, post.status], [201, 200]);
  return await stored(site);
}

async function stored(site: OriginSite): Promise<string[]> {
  return (await filesBelow(site.dataDir)).filter((path) => !path.startsWith("origin."));
}

async function litter(site: OriginSite): Promise<void> {
  for (const path of GARBAGE) await Deno.writeTextFile(join(site.dataDir, path), "12345");
}

Deno.test("collectGarbage() of a stopped origin removes what nothing names, and nothing else", async () => {
  await using site = await OriginSite.start();
  const named = await populate(site);
  await site.stop();
  await litter(site);
  await Deno.mkdir(join(site.dataDir, "backup.partial", "objects"), { recursive: true });
  const found = await collectGarbage({ dataDir: site.dataDir, dryRun: true });
  assert.deepEqual(await stored(site), [...named, ...GARBAGE].sort());
  assert.deepEqual(await collectGarbage({ dataDir: site.dataDir, dryRun: false }), found);
  assert.deepEqual(found.map(({ path }) => path).sort(), GARBAGE.map((path) => join(site.dataDir, path)).sort());
  assert.deepEqual(new Set(found.map(({ sizeBytes }) => sizeBytes)), new Set([5]));
  assert.deepEqual(await stored(site), named);
  assert.ok(!Array.from(Deno.readDirSync(site.dataDir)).some(({ name }) => name === "backup.partial"));
  await site.serve();
});

Deno.test("collectGarbage() of a serving origin leaves alone what may belong to a running upload", async () => {
  await using site = await OriginSite.start();
  const named = await populate(site);
  await litter(site);
  assert.deepEqual(await collectGarbage({ dataDir: site.dataDir, dryRun: false }), []);
  const twoDaysAgo = new Date(Date.now() - 48 * 3600_000);
  for (const path of [...GARBAGE, ...named]) await Deno.utime(join(site.dataDir, path), twoDaysAgo, twoDaysAgo);
  assert.equal((await collectGarbage({ dataDir: site.dataDir, dryRun: false })).length, GARBAGE.length);
  assert.deepEqual(await stored(site), named);
});

Deno.test("collectGarbage() takes nothing from a backup that is being made", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  await populate(site);
  await site.stop();
  const collected: Promise<unknown>[] = [];
  const onProgress = () => void collected.push(collectGarbage({ dataDir: site.dataDir, dryRun: false }));
  const out = join(folder.path, "origin.tar");
  await backupOrigin({ dataDir: site.dataDir, out, signal: new AbortController().signal, onProgress });
  assert.ok(collected.length > 1);
  await Promise.all(collected);
  await site.serve();
});

Deno.test("tally origin gc says what it removed, and refuses a folder without an origin", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  await populate(site);
  await site.stop();
  await litter(site);
  const looked = await tally(["origin", "gc", "--dry-run", "--json", "--data-dir", site.dataDir]);
  const { fileCount, sizeBytes, dryRun } = JSON.parse(looked.stdout);
  assert.deepEqual({ fileCount, sizeBytes, dryRun }, { fileCount: 3, sizeBytes: 15, dryRun: true });
  const done = await tally(["origin", "gc", "--data-dir", site.dataDir]);
  assert.equal(done.stdout, "Removed 3 files, 15 B\n");
  assert.equal((await tally(["origin", "gc", "--data-dir", folder.path])).exitCode, 2);
  await assert.rejects(collectGarbage({ dataDir: folder.path, dryRun: false }), ConfigurationError);
  assert.deepEqual(await filesBelow(folder.path), []);
  await site.serve();
});
