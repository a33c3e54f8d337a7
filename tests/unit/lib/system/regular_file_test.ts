import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../../../lib/bytes.ts";
import { appendToFile } from "../../../../lib/system/append_file.ts";
import { lockFile, patchFile, readSmallFile } from "../../../../lib/system/files.ts";
import { openRegular } from "../../../../lib/system/regular_file.ts";
import { openUsed, removeUnused } from "../../../../lib/system/used_files.ts";
import { plantAll } from "../../../support/planted_files.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

Deno.test("openRegular() opens and makes files, and nothing else that has the name, nor what it leads to", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "own");
  await assert.rejects(openRegular(path, { create: false }), Deno.errors.NotFound);
  (await openRegular(path, { create: true })).close();
  assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  (await openRegular(path, { create: true })).close();
  const { planted, assertUntouched } = await plantAll(folder.path);
  for (const [what, place] of planted) {
    for (const create of [true, false]) {
      await assert.rejects(openRegular(place, { create }), { name: "ConfigurationError" }, what);
    }
  }
  await assertUntouched();
});

Deno.test("what is locked, appended to, patched, read and removed under a name of ours is a regular file", async () => {
  await using folder = await tempFolder();
  const { planted, assertUntouched } = await plantAll(folder.path);
  for (const [what, place] of planted) {
    await assert.rejects(lockFile(place), { name: "ConfigurationError" }, what);
    await assert.rejects(appendToFile(place, utf8("x"), 0), { name: "ConfigurationError" }, what);
    await assert.rejects(patchFile(place, 0, utf8("x")), { name: "ConfigurationError" }, what);
    await assert.rejects(openUsed(place), { name: "NotFoundError" }, what);
    assert.equal(await readSmallFile(place, 100), undefined, what);
    assert.equal(await removeUnused(place), false, what);
  }
  await assertUntouched();
});
