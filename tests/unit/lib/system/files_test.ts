import assert from "node:assert/strict";
import { join } from "node:path";
import { type Bytes, utf8 } from "../../../../lib/bytes.ts";
import { ConfigurationError, DiskFullError, NotFoundError, TooLargeError } from "../../../../lib/errors.ts";
import { byteReader, byteStream, collect, streamOf } from "../../../../lib/streams.ts";
import {
  AtomicFile,
  ensureFolder,
  fileFacts,
  listFiles,
  listFolders,
  lockFile,
  openFile,
  openWholeFile,
  readSecretFile,
  readSmallFile,
  removeFile,
  sweepPartialFiles,
  temporaryFolder,
  writeSmallFile,
  writeStream,
} from "../../../../lib/system/files.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const SOURCE = new URL("../../../../lib/system/files.ts", import.meta.url).href;
const isRoot = Deno.uid() === 0;

/** All names in a folder, hidden ones included. */
function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

function modeOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

async function runScript(code: string): Promise<Deno.CommandOutput> {
  return await new Deno.Command(Deno.execPath(), { args: ["eval", code], stdout: "piped", stderr: "piped" }).output();
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
  const { signal } = await runScript(`
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
    await using folder = await tempFolder();
    await using _disk = await tinyDisk(folder.path, "size=256k");
    const path = join(folder.path, "file");
    await writeSmallFile(path, utf8("old"));
    const large = byteStream(() => Promise.resolve(new Uint8Array(64 * 1024)));
    await assert.rejects(
      writeStream(path, large),
      (error) => error instanceof DiskFullError && error.message === `Cannot write "${path}": the disk is full`,
    );
    assert.equal(Deno.readTextFileSync(path), "old");
    assert.deepEqual(names(folder.path), ["file"]);
  },
});

Deno.test({
  name: "AtomicFile: a disk that takes no further file is a DiskFullError",
  ignore: !isRoot,
  async fn() {
    await using folder = await tempFolder();
    await using _disk = await tinyDisk(folder.path, "nr_inodes=2");
    await writeSmallFile(join(folder.path, "last"), utf8("a"));
    await assert.rejects(writeSmallFile(join(folder.path, "file"), utf8("a")), DiskFullError);
    await assert.rejects(writeSmallFile(join(folder.path, "new/file"), utf8("a")), DiskFullError);
  },
});

/** A small file system, mounted on a folder until it is disposed. */
async function tinyDisk(folder: string, limit: string): Promise<AsyncDisposable> {
  await runProgram("mount", ["-t", "tmpfs", "-o", limit, "tmpfs", folder]);
  return { [Symbol.asyncDispose]: () => runProgram("umount", [folder]) };
}

async function runProgram(program: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, stderr: "piped" }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

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
  const answer = async () => new TextDecoder().decode((await runScript(tryLock)).stdout).trim();
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
