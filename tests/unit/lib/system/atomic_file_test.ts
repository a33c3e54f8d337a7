import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../../../lib/bytes.ts";
import { DiskFullError } from "../../../../lib/errors.ts";
import { byteStream } from "../../../../lib/streams.ts";
import { AtomicFile, sweepPartialFiles, writeSmallFile, writeStream } from "../../../../lib/system/atomic_file.ts";
import { fileFacts } from "../../../../lib/system/files.ts";
import { evaluate } from "../../../support/evaluate.ts";
import { smallDisk } from "../../../support/small_disk.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const SOURCE = new URL("../../../../lib/system/atomic_file.ts", import.meta.url).href;
const isRoot = Deno.uid() === 0;

/** All names in a folder, hidden ones included. */
function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

function modeOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

Deno.test("AtomicFile: nothing has the name before commit, everything after it, for the owner only", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "deep/er/file");
  using file = await AtomicFile.create(path);
  file.write(utf8("ab"));
  file.write(utf8("c"));
  assert.equal(await fileFacts(path), undefined);
  await file.commit();
  assert.equal(Deno.readTextFileSync(path), "abc");
  assert.deepEqual([modeOf(path), modeOf(join(folder.path, "deep"))], [0o600, 0o700]);
  assert.deepEqual(names(join(folder.path, "deep/er")), ["file"]);
});

Deno.test("AtomicFile: what is appended stands behind what was written, and before what is written next", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "file");
  using file = await AtomicFile.create(path);
  file.write(utf8("one "));
  await file.append(utf8("two "));
  file.write(utf8("three"));
  await file.commit();
  assert.equal(await Deno.readTextFile(path), "one two three");
});

Deno.test("AtomicFile: disposed without commit leaves the old file and nothing else", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "file");
  await writeSmallFile(path, utf8("old"));
  {
    using file = await AtomicFile.create(path);
    file.write(utf8("new"));
  }
  assert.equal(Deno.readTextFileSync(path), "old");
  assert.deepEqual(names(folder.path), ["file"]);
});

Deno.test("AtomicFile: commits under another name and into a new folder", async () => {
  await using folder = await tempFolder();
  using file = await AtomicFile.create(join(folder.path, "staged"));
  file.write(utf8("a"));
  await file.commit(join(folder.path, "models/final"));
  assert.deepEqual([names(folder.path), names(join(folder.path, "models"))], [["models"], ["final"]]);
});

Deno.test("AtomicFile: a process killed before commit leaves the old file, and a sweep takes the rest away", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "file");
  await writeSmallFile(path, utf8("old"));
  const { signal } = await evaluate(`
    import { AtomicFile } from ${JSON.stringify(SOURCE)};
    const file = await AtomicFile.create(${JSON.stringify(path)});
    file.write(new Uint8Array(100_000));
    Deno.kill(Deno.pid, "SIGKILL");
  `);
  assert.equal(signal, "SIGKILL");
  assert.equal(Deno.readTextFileSync(path), "old");
  assert.equal(names(folder.path).length, 2);
  using writing = await AtomicFile.create(join(folder.path, "other"));
  assert.equal(await sweepPartialFiles(folder.path), 1, "a file that is being written stays");
  writing.write(utf8("new"));
  await writing.commit();
  assert.deepEqual(names(folder.path), ["file", "other"]);
});

Deno.test("AtomicFile: replaces a symbolic link and leaves what it points to alone", async () => {
  await using folder = await tempFolder();
  const [target, link] = [join(folder.path, "target"), join(folder.path, "link")];
  Deno.writeTextFileSync(target, "precious");
  Deno.symlinkSync(target, link);
  await writeSmallFile(link, utf8("new"));
  assert.equal(Deno.readTextFileSync(target), "precious");
  assert.equal(Deno.lstatSync(link).isSymlink, false);
  assert.equal(Deno.readTextFileSync(link), "new");
});

Deno.test("AtomicFile: a folder in the place of the file is an error and leaves nothing", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "place");
  Deno.mkdirSync(join(path, "inner"), { recursive: true });
  await assert.rejects(writeSmallFile(path, utf8("a")));
  assert.deepEqual(names(folder.path), ["place"]);
});

Deno.test({
  name: "AtomicFile: a full disk is a DiskFullError and leaves the old file alone",
  ignore: !isRoot, // only root may mount a small file system
  async fn() {
    await using disk = await smallDisk({ sizeKib: 256 });
    const path = join(disk.path, "file");
    await writeSmallFile(path, utf8("old"));
    const large = byteStream(() => Promise.resolve(new Uint8Array(64 * 1024)));
    await assert.rejects(
      writeStream(path, large),
      (error) => error instanceof DiskFullError && error.message === `Cannot write "${path}": the disk is full`,
    );
    assert.equal(Deno.readTextFileSync(path), "old");
    assert.deepEqual(names(disk.path), ["file"]);
  },
});

Deno.test({
  name: "AtomicFile: a disk that takes no further file is a DiskFullError",
  ignore: !isRoot,
  async fn() {
    await using disk = await smallDisk({ inodes: 2 });
    await writeSmallFile(join(disk.path, "last"), utf8("a"));
    await assert.rejects(writeSmallFile(join(disk.path, "file"), utf8("a")), DiskFullError);
    await assert.rejects(writeSmallFile(join(disk.path, "new/file"), utf8("a")), DiskFullError);
  },
});

Deno.test("writeStream() leaves nothing when its source fails", async () => {
  await using folder = await tempFolder();
  const pieces = [utf8("a")];
  const source = byteStream(() => {
    const piece = pieces.shift();
    return piece === undefined ? Promise.reject(new Error("source")) : Promise.resolve(piece);
  });
  await assert.rejects(writeStream(join(folder.path, "file"), source), /source/);
  assert.deepEqual(names(folder.path), []);
});
