import assert from "node:assert/strict";
import { join } from "node:path";
import { ConflictError } from "../../../../lib/errors.ts";
import { folderState, linkFile, moveFolder, removeFolder, workFolder } from "../../../../lib/system/folders.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

Deno.test("workFolder() is empty, private, for one at a time, and gone afterwards", async () => {
  await using temp = await tempFolder();
  const path = join(temp.path, "a", "work");
  await Deno.mkdir(join(path, "left", "over"), { recursive: true });
  {
    await using folder = await workFolder(path);
    assert.equal(folder?.path, path);
    assert.equal(await folderState(path), "empty");
    assert.equal(await workFolder(path), undefined);
    await Deno.writeTextFile(join(path, "x"), "x");
  }
  assert.equal(await folderState(path), "missing");
  await using again = await workFolder(path);
  assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o700);
  await moveFolder(path, join(temp.path, "moved"));
  await using other = await workFolder(path);
  assert.ok(again !== undefined && other !== undefined);
});

Deno.test("moveFolder() takes the place of nothing or of an empty folder, and of nothing else", async () => {
  await using temp = await tempFolder();
  const at = (name: string) => join(temp.path, name);
  await Deno.mkdir(at("from"));
  await Deno.writeTextFile(join(at("from"), "x"), "x");
  await Deno.mkdir(at("filled/x"), { recursive: true });
  await Deno.writeTextFile(at("file"), "");
  for (const name of ["filled", "file"]) await assert.rejects(moveFolder(at("from"), at(name)), ConflictError, name);
  await Deno.mkdir(at("empty"));
  await moveFolder(at("from"), at("empty"));
  await moveFolder(at("empty"), at("new"));
  assert.equal(await Deno.readTextFile(join(at("new"), "x")), "x");
});

Deno.test("folderState() knows what stands in the place of a folder", async () => {
  await using temp = await tempFolder();
  await Deno.mkdir(join(temp.path, "empty"));
  await Deno.writeTextFile(join(temp.path, "file"), "");
  await Deno.symlink("empty", join(temp.path, "link"));
  const cases = { ".": "filled", "empty": "empty", "link": "empty", "file": "not_a_folder", "none": "missing" };
  for (const [name, expected] of Object.entries(cases)) {
    assert.equal(await folderState(join(temp.path, name)), expected, name);
  }
});

Deno.test("linkFile() keeps the bytes when the first name is taken over, and says when there is no file", async () => {
  await using temp = await tempFolder();
  const at = (name: string) => join(temp.path, name);
  await Deno.writeTextFile(at("first"), "old");
  assert.equal(linkFile(at("first"), at("second")), true);
  await Deno.writeTextFile(at("third"), "new");
  await Deno.rename(at("third"), at("first"));
  assert.equal(await Deno.readTextFile(at("second")), "old");
  assert.equal(linkFile(at("none"), at("other")), false);
  assert.throws(() => linkFile(at("first"), at("second")), Deno.errors.AlreadyExists);
});

Deno.test("removeFolder() removes all of it, or nothing when it is not there", async () => {
  await using temp = await tempFolder();
  await Deno.mkdir(join(temp.path, "a", "b"), { recursive: true });
  await removeFolder(join(temp.path, "a"));
  await removeFolder(join(temp.path, "a"));
  assert.equal(await folderState(temp.path), "empty");
});

Deno.test("workFolder() asked for by many at once is given to one at a time", async () => {
  await using temp = await tempFolder();
  const path = join(temp.path, "work");
  let users = 0;
  const use = async () => {
    for (let round = 0; round < 20; round++) {
      await using folder = await workFolder(path);
      if (folder === undefined) continue;
      assert.equal(++users, 1);
      await Deno.writeTextFile(join(path, "x"), "x");
      users--;
    }
  };
  await Promise.all(Array.from({ length: 8 }, use));
  assert.equal(await folderState(path), "missing");
});
