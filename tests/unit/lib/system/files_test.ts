import assert from "node:assert/strict";
import { join } from "node:path";
import { type Bytes, utf8 } from "../../../../lib/bytes.ts";
import { ConfigurationError, NotFoundError, TooLargeError } from "../../../../lib/errors.ts";
import { byteReader, collect, streamOf } from "../../../../lib/streams.ts";
import { writeSmallFile, writeStream } from "../../../../lib/system/atomic_file.ts";
import {
  ensureFolder,
  listFiles,
  listFolders,
  lockFile,
  openFile,
  openWholeFile,
  readSecretFile,
  readSmallFile,
  removeFile,
  temporaryFolder,
} from "../../../../lib/system/files.ts";
import { evaluate } from "../../../support/evaluate.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const SOURCE = new URL("../../../../lib/system/files.ts", import.meta.url).href;

/** All names in a folder, hidden ones included. */
function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

Deno.test("openFile() gives ranges, also past the end", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "file");
  await writeSmallFile(path, utf8("0123456789"));
  const cases: [number, number, string][] = [
    [0, Infinity, "0123456789"],
    [3, 7, "3456"],
    [8, 99, "89"],
    [5, 5, ""],
    [99, Infinity, ""],
  ];
  for (const [start, end, expected] of cases) {
    assert.deepEqual(await collect(await openFile(path, start, end), 100), utf8(expected), `[${start}, ${end})`);
  }
});

Deno.test("openFile() streams a large file and closes it when it is given up", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "file");
  const bytes: Bytes = new Uint8Array(600 * 1024).map((_, index) => index % 251);
  await writeStream(path, streamOf(bytes));
  assert.deepEqual(await collect(await openFile(path), bytes.byteLength), bytes);
  const reader = byteReader(await openFile(path));
  assert.deepEqual(await reader.read(5), bytes.slice(0, 5));
  await reader.cancel(); // the leak check of the test runner would see an open file
});

Deno.test("openFile() says what is missing, and fails with the system's own error where reading fails", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "none");
  await assert.rejects(
    openFile(path),
    (error) => error instanceof NotFoundError && error.message === `Cannot read "${path}": there is no such file`,
  );
  await assert.rejects(collect(await openFile(folder.path), 10), Deno.errors.IsADirectory);
});

Deno.test("openWholeFile() waits for no pipe and takes no folder for a file", async () => {
  await using folder = await tempFolder();
  const pipe = join(folder.path, "pipe");
  assert.ok((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success);
  for (const path of [pipe, folder.path]) await assert.rejects(openWholeFile(path), NotFoundError, path);
});

Deno.test("openWholeFile() gives the size and the bytes of one and the same file", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "file");
  await writeSmallFile(path, utf8("old"));
  const { sizeBytes, body } = await openWholeFile(path);
  await writeSmallFile(path, utf8("newer"));
  assert.equal(sizeBytes, 3);
  assert.deepEqual(await collect(body, 10), utf8("old"));
});

Deno.test("readSmallFile() gives nothing for what is no regular file, and refuses what is too large", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "file");
  await writeSmallFile(path, utf8("abc"));
  Deno.symlinkSync(path, join(folder.path, "link"));
  assert.deepEqual(await readSmallFile(path, 3), utf8("abc"));
  await assert.rejects(readSmallFile(path, 2), TooLargeError);
  for (const other of ["none", "file/below", "link", "."]) {
    assert.equal(await readSmallFile(join(folder.path, other), 10), undefined, other);
  }
});

Deno.test("readSecretFile() drops one line break and refuses a file that others may read", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "secret");
  await writeSmallFile(path, utf8("hush \n\n"));
  assert.deepEqual(await readSecretFile(path), utf8("hush \n"));
  Deno.chmodSync(path, 0o640);
  await assert.rejects(
    readSecretFile(path),
    (error) =>
      error instanceof ConfigurationError && /can be read by others/.test(error.message) && !/hush/.test(error.message),
  );
  await assert.rejects(readSecretFile(join(folder.path, "none")), ConfigurationError);
});

Deno.test("removeFile() removes, and does not mind a file that is not there", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "file");
  await writeSmallFile(path, utf8("a"));
  await removeFile(path);
  await removeFile(path);
  assert.deepEqual(names(folder.path), []);
});

Deno.test("listFiles() and listFolders() are sorted, and empty where there is no folder", async () => {
  await using folder = await tempFolder();
  for (const name of ["b", "a"]) await writeSmallFile(join(folder.path, name), utf8("x"));
  await ensureFolder(join(folder.path, "d"));
  await ensureFolder(join(folder.path, "c"));
  assert.deepEqual(await listFiles(folder.path), ["a", "b"]);
  assert.deepEqual(await listFolders(folder.path), ["c", "d"]);
  assert.deepEqual(await listFiles(join(folder.path, "none")), []);
  assert.deepEqual(await listFolders(join(folder.path, "none")), []);
});

Deno.test("lockFile() is held by one process at a time and given back when that one is killed", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "lock");
  const tryLock = `
    import { lockFile } from ${JSON.stringify(SOURCE)};
    console.log(await lockFile(${JSON.stringify(path)}) ? "mine" : "taken");
    Deno.kill(Deno.pid, "SIGKILL");
  `;
  const answer = async () => new TextDecoder().decode((await evaluate(tryLock)).stdout).trim();
  {
    using lock = await lockFile(path);
    assert.ok(lock !== undefined);
    assert.equal(await answer(), "taken");
  }
  assert.equal(await answer(), "mine");
  using again = await lockFile(path);
  assert.ok(again !== undefined, "a killed process must not hold it");
});

Deno.test("temporaryFolder() is the owner's alone and is gone with all that was in it", async () => {
  const folder = await temporaryFolder("tally-files-test-");
  assert.equal(((await Deno.stat(folder.path)).mode ?? 0) & 0o777, 0o700);
  await writeSmallFile(`${folder.path}/below/file`, new Uint8Array(3));
  await folder[Symbol.asyncDispose]();
  await assert.rejects(Deno.stat(folder.path), Deno.errors.NotFound);
});
