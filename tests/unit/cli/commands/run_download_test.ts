import assert from "node:assert/strict";
import { join } from "node:path";
import { keystream } from "../../../support/keystream.ts";
import { runAt } from "../../../support/platform_cli.ts";
import { runResults } from "../../../support/run_results.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

Deno.test("tally run download brings a run into a folder, and says what came of it", async () => {
  await using results = runResults();
  await using folder = await tempFolder();
  const { files, run, platform } = results;
  for (const name of ["one", "two"]) files.push({ externalId: "slides/a.svs", name, bytes: keystream(name, 5000) });
  const text = await runAt(platform.url, ["run", "download", run.runId, folder.path, "--limit-rate", "1G"]);
  assert.equal(text.exitCode, 0, text.complained);
  assert.match(text.said, /^2 downloaded \(9\.8 KiB in .*\), 0 there already, 0 failed\n$/);
  assert.deepEqual(await Deno.readFile(join(folder.path, run.runId, "slides/a.svs/two.json")), keystream("two", 5000));

  const json = await runAt(platform.url, ["run", "download", run.runId, folder.path, "--json"]);
  const events = json.said.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(events.map(({ event, outcome }) => outcome ?? event), ["skipped", "skipped", "summary"]);
});

Deno.test("tally run download ends with the condition of what failed, after everything else has come", async () => {
  await using results = runResults();
  await using folder = await tempFolder();
  const { files, run, platform } = results;
  const metadata = { checksum_base64_crc32c: "AAAAAA==", media_type: "text/csv" };
  files.push({ externalId: "x", name: "bad\x1b[2J", bytes: keystream("bad", 10), metadata });
  files.push({ externalId: "x", name: "good", bytes: keystream("good", 10) });
  const { exitCode, said, complained } = await runAt(platform.url, ["run", "download", run.runId, folder.path]);
  assert.equal(exitCode, 7);
  assert.match(said, /^1 downloaded .* 1 failed\n$/);
  assert.match(complained, /1 of 2 artifacts could not be downloaded: .*its digest is wrong/);
  assert(!complained.includes("\x1b"));
  assert.deepEqual(await Array.fromAsync(Deno.readDir(join(folder.path, run.runId, "x")), ({ name }) => name), [
    "good.json",
  ]);
});

Deno.test("tally run download refuses a folder that is not there, and counts that are none", async () => {
  await using results = runResults();
  const { run, platform } = results;
  const wrong = [["--parallel", "0"], ["--parallel", "33"], ["--limit-rate", "fast"]];
  for (const flags of wrong) {
    const { exitCode } = await runAt(platform.url, ["run", "download", run.runId, ".", ...flags]);
    assert.equal(exitCode, 2, flags.join(" "));
  }
  const { exitCode, complained } = await runAt(platform.url, ["run", "download", run.runId, "/nowhere"]);
  assert.equal(exitCode, 1);
  assert.match(complained, /"\/nowhere": it is not a folder/);
});
