import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../../../lib/bytes.ts";
import { TooLargeError } from "../../../../lib/errors.ts";
import { readNamedFile } from "../../../../lib/system/named_file.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const LIMIT_BYTES = 100;

/** A folder with a file, and a function that makes a link in it. */
async function site() {
  const folder = await tempFolder();
  await Deno.mkdir(join(folder.path, "secrets/..data"), { recursive: true });
  await Deno.writeTextFile(join(folder.path, "secrets/..data/key"), "content");
  await Deno.writeTextFile(join(folder.path, "outside"), "outside");
  const path = join(folder.path, "secrets/key");
  return {
    path,
    folder: folder.path,
    link: (target: string) => Deno.symlink(target, path),
    read: async () => (await readNamedFile(path, LIMIT_BYTES))?.bytes,
    refuses: (why: RegExp) =>
      assert.rejects(readNamedFile(path, LIMIT_BYTES), { name: "ConfigurationError", message: why }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

Deno.test("readNamedFile() reads a file, and one behind a link below the link's own folder", async () => {
  for (const target of ["..data/key", "./..data/../..data/key"]) {
    await using here = await site();
    assert.equal(await here.read(), undefined);
    await here.link(target);
    assert.deepEqual(await here.read(), utf8("content"));
  }
  await using here = await site();
  await here.link(join(here.folder, "secrets/..data/key"));
  assert.deepEqual(await here.read(), utf8("content"));
});

Deno.test("readNamedFile() reads through a folder that is a link itself", async () => {
  await using here = await site();
  await here.link("..data/key");
  await Deno.symlink("secrets", join(here.folder, "alias"));
  assert.deepEqual((await readNamedFile(join(here.folder, "alias/key"), LIMIT_BYTES))?.bytes, utf8("content"));
});

Deno.test("readNamedFile() refuses a link out of its folder, round in a circle, to nothing, or to what is no file", async () => {
  const targets: [string, RegExp][] = [
    ["../outside", /it is a link that leads out of its folder$/],
    ["/etc/hostname", /it is a link that leads out of its folder$/],
    ["key", /it is a link that leads nowhere$/],
    ["..data/none", /it is a link that leads nowhere$/],
    ["..data", /it is not a regular file$/],
  ];
  for (const [target, why] of targets) {
    await using here = await site();
    await here.link(target);
    await here.refuses(why);
  }
  await using here = await site();
  await Deno.symlink("../../outside", join(here.folder, "secrets/..data/way"));
  await here.link("..data/way");
  await here.refuses(/it is a link that leads out of its folder$/);
});

Deno.test({
  name: "readNamedFile() refuses a link to a file of another user",
  ignore: Deno.uid() !== 0, // nobody else can give a file away
  async fn() {
    await using here = await site();
    await here.link("..data/key");
    await Deno.chown(join(here.folder, "secrets/..data/key"), 12_345, 12_345);
    await here.refuses(/it is a link to a file of another user$/);
  },
});

Deno.test("readNamedFile() refuses what is too large, a folder and a pipe, without waiting for it", async () => {
  await using here = await site();
  await Deno.writeFile(here.path, new Uint8Array(LIMIT_BYTES + 1));
  await assert.rejects(here.read(), TooLargeError);
  await Deno.remove(here.path);
  await Deno.mkdir(here.path);
  await here.refuses(/it is not a regular file$/);
  await Deno.remove(here.path);
  const { success } = await new Deno.Command("mkfifo", { args: [here.path] }).output();
  assert.ok(success);
  await here.refuses(/it is not a regular file$/);
});
