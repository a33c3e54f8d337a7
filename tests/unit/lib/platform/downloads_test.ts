import assert from "node:assert/strict";
import { join } from "node:path";
import { ConflictError, DiskFullError, IntegrityError, InterruptedError, TallyError } from "../../../../lib/errors.ts";
import { type ArtifactOutcome, downloadFailure, type RunDownloadOptions } from "../../../../lib/platform/downloads.ts";
import { HOSTILE_NAMES } from "../../../support/hostile_names.ts";
import { keystream } from "../../../support/keystream.ts";
import { clientOf } from "../../../support/platform_client.ts";
import { artifactId, crc32cBase64, runResults } from "../../../support/run_results.ts";
import { tempFolder } from "../../../support/temp_folder.ts";
import { testClock } from "../../../support/test_clock.ts";

async function site() {
  const folder = await tempFolder();
  const base = join(folder.path, "results");
  await Deno.mkdir(base);
  const results = runResults();
  const client = clientOf(results.platform);
  return {
    ...results,
    base,
    outside: folder.path,
    download: (options: RunDownloadOptions = {}) => client.run(results.run.runId).download(base, options),
    async [Symbol.asyncDispose]() {
      await results[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Paths of all files below a folder. */
async function filesBelow(folder: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) found.push(...await filesBelow(join(folder, name), `${prefix}${name}/`));
    else found.push(prefix + name);
  }
  return found.sort();
}

Deno.test("Run.download() lays artifacts out by item and name, with the ending of their type", async () => {
  await using here = await site();
  const { files, run, base } = here;
  const bytes = keystream("artifact", 100_000);
  const checksum = { checksum_base64_crc32c: crc32cBase64(bytes) };
  files.push(
    {
      externalId: "slide-1",
      name: "tissue_qc:geojson_polygons",
      bytes,
      metadata: { ...checksum, media_type: "application/geo+json" },
    },
    {
      externalId: "slide-1",
      name: "map",
      bytes,
      metadata: { checksum_crc32c: crc32cBase64(bytes), mime_type: "image/tiff" },
    },
    { externalId: "a/b/slide 2.svs", name: "cells", bytes, metadata: { ...checksum, media_type: "text/csv" } },
    {
      externalId: "a/b/slide 2.svs",
      name: "other",
      bytes: new Uint8Array(0),
      metadata: { checksum_crc32c: "AAAAAA==" },
    },
  );
  const outcomes: ArtifactOutcome[] = [];
  const { downloaded, skipped, failed, sizeBytes } = await here.download({ onArtifact: (one) => outcomes.push(one) });
  assert.deepEqual({ downloaded, skipped, failed, sizeBytes }, {
    downloaded: 4,
    skipped: 0,
    failed: [],
    sizeBytes: 300_000,
  });
  assert.deepEqual(await filesBelow(join(base, run.runId)), [
    "a/b/slide 2.svs/cells.csv",
    "a/b/slide 2.svs/other",
    "slide-1/map.tiff",
    "slide-1/tissue_qc:geojson_polygons.json",
  ]);
  assert.deepEqual(await Deno.readFile(join(base, run.runId, "slide-1/map.tiff")), bytes);
  assert(outcomes.every(({ outcome, verified }) => outcome === "downloaded" && verified));
});

Deno.test("Run.download() skips what is there and right, and replaces what is not", async () => {
  await using here = await site();
  const { files, storage, base, run } = here;
  for (const name of ["one", "two"]) files.push({ externalId: "x", name, bytes: keystream(name, 5000) });
  await here.download();
  const path = join(base, run.runId, "x/two.json");
  await Deno.writeFile(path, keystream("damaged", 5000));
  storage.seen.length = 0;
  const { downloaded, skipped } = await here.download();
  assert.deepEqual([downloaded, skipped, storage.seen.length], [1, 1, 1]);
  assert.deepEqual(await Deno.readFile(path), keystream("two", 5000));
});

Deno.test("Run.download() never leaves its folder, whatever the server names things", async () => {
  await using here = await site();
  const { files, base, outside } = here;
  const bytes = keystream("hostile", 10);
  const names = [
    ...HOSTILE_NAMES,
    "../../../escaped",
    "/etc/passwd",
    "a/../../b",
    ".",
    "..",
    "a//b",
    "%2e%2e",
    "a\\..\\b",
    "\ud800",
    "",
  ];
  const unique = [...new Set(names)];
  for (const externalId of unique) for (const name of ["n", ...unique]) files.push({ externalId, name, bytes });
  const { downloaded, failed } = await here.download();
  assert.deepEqual(failed, []);
  assert.equal(downloaded, files.length);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(outside), ({ name }) => name), ["results"]);
  const found = await filesBelow(base);
  assert.equal(found.length, files.length, "every artifact has a place of its own");
});

Deno.test("Run.download() follows no link in its folder", async () => {
  await using here = await site();
  const { files, base, outside, run } = here;
  const elsewhere = join(outside, "elsewhere");
  await Deno.mkdir(elsewhere);
  await Deno.mkdir(join(base, run.runId));
  await Deno.symlink(elsewhere, join(base, run.runId, "linked"));
  await Deno.writeTextFile(join(outside, "victim"), "untouched");
  await Deno.mkdir(join(base, run.runId, "x"));
  await Deno.symlink(join(outside, "victim"), join(base, run.runId, "x/n.json"));
  for (const externalId of ["linked", "x"]) files.push({ externalId, name: "n", bytes: keystream("n", 10) });
  const { downloaded, failed } = await here.download();
  assert.equal(downloaded, 1);
  assert.deepEqual(failed.map(({ externalId, error }) => [externalId, error instanceof ConflictError]), [[
    "linked",
    true,
  ]]);
  assert.deepEqual(await filesBelow(elsewhere), []);
  assert.equal(await Deno.readTextFile(join(outside, "victim")), "untouched");
});

Deno.test("Run.download() brings the others when one artifact is bad, and leaves nothing of that one", async () => {
  await using here = await site();
  const { files, storage, base } = here;
  const wrong = { checksum_base64_crc32c: "AAAAAA==", media_type: "image/png" };
  files.push({ externalId: "bad", name: "sum", bytes: keystream("sum", 50_000), metadata: wrong });
  files.push({ externalId: "gone", name: "gone", bytes: keystream("gone", 50_000) });
  for (let index = 0; index < 20; index++) {
    files.push({ externalId: "good", name: `${index}`, bytes: keystream("good", 1000) });
  }
  storage.fault = ({ path }) => path.endsWith("-1") ? { status: 410 } : undefined;
  const result = await here.download({ parallel: 3 });
  assert.equal(result.downloaded, 20);
  assert.deepEqual(result.failed.map(({ externalId }) => externalId).sort(), ["bad", "gone"]);
  const failure = downloadFailure(result);
  assert(failure instanceof TallyError && failure.code === "integrity" && failure.cause instanceof IntegrityError);
  assert.match(failure.message, /^2 of 22 artifacts could not be downloaded: /);
  assert.equal((await filesBelow(base)).length, 20);
});

Deno.test("Run.download() asks for a fresh address for each attempt, and shows its token to the API alone", async () => {
  await using here = await site();
  const { files, storage, base, run, platform } = here;
  const bytes = keystream("large", 3 * 1024 * 1024);
  files.push({ externalId: "x", name: "n", bytes });
  storage.fault = (_, number) => [{ cutAfter: 1_500_000 }, { status: 403 }, { status: 400 }][number];
  await here.download();
  assert.deepEqual(storage.seen.map(({ path }) => path), ["signed-0-0", "signed-1-0", "signed-2-0", "signed-3-0"]);
  assert(storage.seen.every(({ headers }) => headers.get("authorization") === null));
  assert(platform.requests.every(({ headers }) => headers.get("authorization") !== null));
  assert.equal(crc32cBase64(await Deno.readFile(join(base, run.runId, "x/n.json"))), crc32cBase64(bytes));
});

Deno.test("Run.download() goes on after it was interrupted, with what had come", async () => {
  await using here = await site();
  const { files, storage } = here;
  const bytes = keystream("large", 12 * 1024 * 1024);
  files.push({ externalId: "x", name: "n", bytes });
  const controller = new AbortController();
  const onProgress = (doneBytes: number) => doneBytes > 8 * 1024 * 1024 && controller.abort();
  await assert.rejects(here.download({ onProgress, signal: controller.signal }), InterruptedError);
  storage.seen.length = 0;
  const { downloaded } = await here.download();
  assert.equal(downloaded, 1);
  const sentBytes = storage.seen.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
  assert(sentBytes <= 4 * 1024 * 1024, `${sentBytes} bytes came`);
});

Deno.test("Run.download() that waits brings what becomes ready, until the run has ended", async () => {
  await using here = await site();
  const { files, run, outside, platform } = here;
  const base = join(outside, "results");
  run.state = "PROCESSING";
  files.push({ externalId: "x", name: "0", bytes: keystream("0", 10) });
  const clock = testClock(() => {
    files.push({ externalId: "x", name: `${files.length}`, bytes: keystream("more", 10) });
    if (files.length === 4) run.state = "TERMINATED";
  });
  const { downloaded } = await clientOf(platform, { clock }).run(run.runId).download(base, { wait: true });
  assert.equal(downloaded, 4);
  assert.equal((await clientOf(platform).run(run.runId).download(base)).skipped, 4);
});

Deno.test("Run.download() ends at once where every artifact would meet the same", async () => {
  await using here = await site();
  const { files, storage, platform, run } = here;
  for (let index = 0; index < 50; index++) files.push({ externalId: "x", name: `${index}`, bytes: keystream("n", 10) });
  await assert.rejects(clientOf(platform).run(run.runId).download("/nowhere"), ConflictError);
  assert.equal(storage.seen.length, 0);
  storage.fault = () => ({
    status: 206,
    headers: { "content-range": `bytes 0-9/${900_000_000_000_000}`, "content-length": "0" },
  });
  await assert.rejects(here.download({ parallel: 1 }), DiskFullError);
  assert.equal(storage.seen.length, 1);
});

Deno.test("Run.download() takes an artifact without a checksum as it comes, and says so", async () => {
  await using here = await site();
  const { files } = here;
  files.push({ externalId: "x", name: "n", bytes: keystream("n", 10), metadata: {} });
  const outcomes: ArtifactOutcome[] = [];
  await here.download({ onArtifact: (one) => outcomes.push(one) });
  assert.deepEqual(outcomes.map(({ artifactId, verified }) => [artifactId, verified]), [[artifactId(0), false]]);
});
