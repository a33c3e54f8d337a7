import assert from "node:assert/strict";
import { join } from "node:path";
import { run } from "../../../../cli/run.ts";
import { BigPartCache } from "../../../../lib/cdn/cached.ts";
import { keystream } from "../../../support/keystream.ts";
import { RecordedIo } from "../../../support/recorded_io.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const NEVER = { device: () => Promise.reject(new Error("no")), origin: () => Promise.reject(new Error("no")) };

async function site() {
  const folder = await tempFolder();
  const cache = new BigPartCache(folder.path);
  for (const name of ["one", "two"]) {
    using writer = await cache.create();
    writer.write(keystream(name, 5_000));
    await writer.commit({ folder: "models", name }, { smallSha256: "0".repeat(64) });
  }
  const tally = async (...args: string[]) => {
    const io = new RecordedIo({ environment: { MODEL_CACHE_DIR: folder.path } });
    io.nowMs = Date.now() + 3_600_000;
    const exitCode = await run(["cache", ...args], io, NEVER, new AbortController().signal);
    return { exitCode, said: io.said, complained: io.complained };
  };
  return { path: folder.path, tally, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

Deno.test("tally cache list shows what is there", async () => {
  await using here = await site();
  const text = await here.tally("list");
  assert.match(text.said, /models\/one\n/);
  assert.match(text.complained, /2 entries, /);
  const { entries } = JSON.parse((await here.tally("list", "--json")).said);
  assert.deepEqual(entries.map(({ name }: { name: string }) => name).sort(), ["one", "two"]);
});

Deno.test("tally cache verify ends with 7 when something is damaged, and removes it when it is told to", async () => {
  await using here = await site();
  assert.equal((await here.tally("verify")).exitCode, 0);
  const path = join(here.path, "models/one.big");
  await Deno.writeFile(path, keystream("one", 5_000).with(2_500, 0).with(2_501, 0));
  const { exitCode, said } = await here.tally("verify", "--remove");
  assert.equal(exitCode, 7);
  assert.match(said, /damaged +models\/one\n/);
  assert.match(said, /good +models\/two\n/);
  assert.equal((await here.tally("verify")).exitCode, 0);
  assert.deepEqual((await Array.fromAsync(Deno.readDir(join(here.path, "models")), ({ name }) => name)).sort(), [
    "two.big",
    "two.big.json",
  ]);
});

Deno.test("tally cache verify takes no hash list for a damaged big part while its big part is not there", async () => {
  await using here = await site();
  const list = `models/${"0123456789abcdef".repeat(4)}.big.hashes`;
  await Deno.writeFile(join(here.path, list), keystream("list", 17 * 32));
  const { exitCode, said } = await here.tally("verify", "--remove");
  assert.equal(exitCode, 0);
  assert.match(said, new RegExp(`unknown +${list}\n`));
  assert.equal((await Deno.stat(join(here.path, list))).size, 17 * 32);
});

Deno.test("tally cache prune keeps to the quota and to the pins", async () => {
  await using here = await site();
  assert.equal((await here.tally("prune")).exitCode, 2, "there is no quota");
  assert.equal((await here.tally("prune", "--all", "--pin", "../x/y")).exitCode, 2);
  assert.equal((await here.tally("prune", "--pin", "models/one")).exitCode, 0);
  assert.match((await here.tally("prune", "--all", "--dry-run")).said, /^would go: models\/two /);
  assert.match((await here.tally("prune", "--model-cache-quota", "6K")).said, /^gone: models\/two .*\n.* are left\n$/);
  assert.match((await here.tally("prune", "--all")).said, /^5\.\d KiB are left\n$/);
  const { removed } = JSON.parse((await here.tally("prune", "--all", "--unpin", "models/one", "--json")).said);
  assert.deepEqual(removed.map(({ name }: { name: string }) => name), ["one"]);
});

Deno.test("tally cache says what to do about a damaged file of pins, and removes nothing", async () => {
  await using here = await site();
  const path = join(here.path, ".pins.json");
  for (const text of ["", '{"v":1,"pins":[', '{"v":1,"pins":"models/one"}']) {
    await Deno.writeTextFile(path, text);
    for (const args of [["list"], ["verify"], ["prune", "--all"], ["prune", "--all", "--pin", "models/one"]]) {
      const { exitCode, said, complained } = await here.tally(...args);
      assert.deepEqual([exitCode, said], [2, ""], args.join(" "));
      assert.match(complained, /\.pins\.json" is damaged; remove it, and pin again with "tally cache prune --pin"\n/);
    }
    assert.equal(await Deno.readTextFile(path), text);
  }
  await Deno.remove(path);
  assert.equal(JSON.parse((await here.tally("list", "--json")).said).entries.length, 2);
});
