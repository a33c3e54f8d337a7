import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../../../lib/bytes.ts";
import { ConfigurationError, TooLargeError } from "../../../../lib/errors.ts";
import { systemClock } from "../../../../lib/system/clock.ts";
import {
  ensurePrivateFolder,
  readPrivateFile,
  waitForLock,
  writePrivateFile,
} from "../../../../lib/system/private_files.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

Deno.test("writePrivateFile() and readPrivateFile() let nobody else in, whatever was there before", async () => {
  await using folder = await tempFolder();
  const inner = join(folder.path, "inner");
  await Deno.mkdir(inner, { mode: 0o755 });
  const path = join(inner, "file");
  assert.equal(await readPrivateFile(path, 10), undefined);
  await writePrivateFile(path, utf8("text"));
  assert.deepEqual([await modeOf(inner), await modeOf(path)], [0o700, 0o600]);
  await Deno.chmod(path, 0o666);
  assert.deepEqual(await readPrivateFile(path, 10), utf8("text"));
  assert.equal(await modeOf(path), 0o600);
  await assert.rejects(readPrivateFile(path, 3), TooLargeError);
});

Deno.test("readPrivateFile() reads no link and no folder", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "file");
  await writePrivateFile(path, utf8("text"));
  await Deno.symlink(path, join(folder.path, "link"));
  for (const wrong of [join(folder.path, "link"), folder.path]) {
    await assert.rejects(readPrivateFile(wrong, 10), ConfigurationError);
  }
});

Deno.test({
  name: "private files of another user are not used",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using folder = await tempFolder();
    const path = join(folder.path, "inner/file");
    await writePrivateFile(path, utf8("text"));
    await Deno.chown(path, 12345, null);
    await assert.rejects(readPrivateFile(path, 10), /belongs to another user/);
    await Deno.chown(join(folder.path, "inner"), 12345, null);
    await assert.rejects(ensurePrivateFolder(join(folder.path, "inner")), /belongs to another user/);
    await assert.rejects(waitForLock(path, systemClock, new AbortController().signal), /belongs to another user/);
  },
});
