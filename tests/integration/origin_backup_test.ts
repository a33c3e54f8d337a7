import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Bytes, concat, utf8 } from "../../lib/bytes.ts";
import { TAR_BLOCK_BYTES, tarEnd, tarHeader, tarPadding } from "../../lib/docker/tar.ts";
import {
  ConfigurationError,
  ConflictError,
  IntegrityError,
  InterruptedError,
  InvalidInputError,
  NotFoundError,
} from "../../lib/errors.ts";
import { folderState } from "../../lib/system/folders.ts";
import { backupOrigin } from "../../origin/backup.ts";
import { encodeManifest, manifestEntryName } from "../../origin/backup_manifest.ts";
import { readVerifiedDatabase } from "../../origin/database_file.ts";
import { restoreOrigin } from "../../origin/restore.ts";
import { runOrigin } from "../../origin/serve.ts";
import { State } from "../../origin/state.ts";
import { eventually } from "../support/eventually.ts";
import { keystream } from "../support/keystream.ts";
import { fileForm, filesBelow, OriginSite, PASSWORD } from "../support/origin_site.ts";
import { startTally, tally } from "../support/tally.ts";
import { type TempFolder, tempFolder } from "../support/temp_folder.ts";
import { testClock } from "../support/test_clock.ts";

const MAIN = new URL("../../main.ts", import.meta.url);
const { signal } = new AbortController();

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Publishes as a device does: the big part, bound to its small part, and then the small part. */
async function publish(site: OriginSite, tokens: Tokens, name: string, content: string): Promise<void> {
  const small = utf8(`small of ${content}`);
  const headers = { "x-tally-small-sha256": sha256(small) };
  const big = keystream(content, 50_000);
  const put = await site.call("PUT", `/objects/models/${name}.big`, { token: tokens.writer, body: big, headers });
  assert.ok(put.status < 300, put.text);
  const post = await site.call("POST", "/resources/models", {
    token: tokens.uploader,
    body: fileForm(small, `${name}.small`),
  });
  assert.equal(post.status, 200, post.text);
}

interface Tokens {
  readonly uploader: string;
  readonly writer: string;
}

async function populate(site: OriginSite): Promise<Tokens> {
  const { token: uploader } = await site.user("ResourceUploader");
  const tokens = { uploader, writer: (await site.objectTokens()).writer };
  for (const name of ["a.onnx", "b.onnx"]) await publish(site, tokens, name, `${name} 0`);
  await site.call("POST", "/resources", { token: uploader, body: fileForm(utf8("plain"), "cdn.yaml") });
  await site.call("POST", "/resources/check", { token: uploader, json: { hardware: "one" } });
  return tokens;
}

/** A backup of a small stopped origin. */
async function smallBackup(folder: TempFolder): Promise<string> {
  await using site = await OriginSite.start();
  await populate(site);
  await site.stop();
  const out = join(folder.path, "origin.tar");
  await backupOrigin({ dataDir: site.dataDir, out, signal });
  await site.serve();
  return out;
}

/** Every object has its bytes, and every pair belongs together. */
async function checkWhole(dataDir: string): Promise<void> {
  const rows = readVerifiedDatabase(join(dataDir, "origin.db"));
  assert.ok(rows.length >= 2);
  for (const { blob, sha256: expected, key, pairedWith } of rows) {
    assert.equal(sha256(await Deno.readFile(join(dataDir, "objects", blob))), expected, key);
    const small = key.replace(/\.big$/, ".small");
    assert.equal(sha256(await Deno.readFile(join(dataDir, "resources", "models", small))), pairedWith, key);
  }
  const blobs = rows.map(({ blob }) => `objects/${blob}`);
  const expected = [...blobs, "origin.db", "resources/_/cdn.yaml", "resources/models/a.onnx.small"];
  assert.deepEqual(await filesBelow(dataDir), [...expected, "resources/models/b.onnx.small"].sort());
}

Deno.test("backupOrigin() under writes takes one moment of all, and restoreOrigin() brings it back", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  const tokens = await populate(site);
  const before = {
    jwks: (await site.call("GET", "/.well-known/jwks.json")).text,
    fragment: (await site.call("GET", "/binary-split/key-fragment", { token: tokens.uploader })).bytes,
  };
  const stop = new AbortController();
  const write = async (name: string) => {
    for (let round = 1; !stop.signal.aborted; round++) await publish(site, tokens, name, `${name} ${round}`);
  };
  const writing = Promise.all([write("a.onnx"), write("b.onnx")]);
  const restored: string[] = [];
  try {
    for (const round of [1, 2, 3]) {
      const out = join(folder.path, `${round}.tar`);
      const { exitCode, stdout, stderr } = await tally([
        ...["origin", "backup", "--json", "--data-dir", site.dataDir, "--out", out],
      ]);
      assert.equal(exitCode, 0, stderr);
      const { sizeBytes, sha256: digest } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
      const archive = await Deno.readFile(out);
      assert.deepEqual([archive.byteLength, sha256(archive)], [sizeBytes, digest]);
      assert.equal((Deno.statSync(out).mode ?? 0) & 0o777, 0o600);
      restored.push(join(folder.path, `restored-${round}`));
      await restoreOrigin({ from: out, dataDir: restored.at(-1) ?? "", signal });
      await checkWhole(restored.at(-1) ?? "");
    }
  } finally {
    stop.abort();
    await writing;
  }
  await site.stop();
  await Deno.remove(site.dataDir, { recursive: true });
  await Deno.rename(restored.at(-1) ?? "", site.dataDir);
  await site.serve();
  const { uploader: token, writer } = tokens;
  assert.equal((await site.call("GET", "/.well-known/jwks.json")).text, before.jwks);
  assert.deepEqual((await site.call("GET", "/binary-split/key-fragment", { token })).bytes, before.fragment);
  assert.equal((await site.call("POST", "/resources/check", { token, json: { hardware: "two" } })).status, 409);
  assert.deepEqual((await site.call("POST", "/resources/list/models", { token })).json(), [
    "a.onnx.small",
    "b.onnx.small",
  ]);
  assert.equal((await site.call("GET", "/objects/models/a.onnx.big", { token: writer })).bytes.byteLength, 50_000);
  await site.adminToken();
  await site.signIn("resourceuploader@example.com", PASSWORD);
});

Deno.test("backupOrigin() of a stopped origin leaves its folder as it was", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  await populate(site);
  await site.stop();
  const before = await filesBelow(site.dataDir);
  await Deno.mkdir(join(site.dataDir, "backup.partial", "objects"), { recursive: true }); // a killed backup's
  await backupOrigin({ dataDir: site.dataDir, out: join(folder.path, "new", "origin.tar"), signal });
  assert.deepEqual(await filesBelow(site.dataDir), before);
  assert.deepEqual(await filesBelow(folder.path), ["new/origin.tar"]);
  await site.serve();
});

Deno.test("tally origin backup and restore work in the sandbox", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  await populate(site);
  const dataDir = join(folder.path, "restored");
  const out = join(site.dataDir, "origin.tar");
  const sandboxed = async (rights: readonly string[], args: readonly string[]) => {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--ignore-env", ...rights, MAIN.pathname, "origin", ...args],
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  };
  const own = [`--allow-read=${site.dataDir}`, `--allow-write=${site.dataDir}`];
  await sandboxed(own, ["backup", "--data-dir", site.dataDir, "--out", out]);
  await sandboxed(own, ["gc", "--data-dir", site.dataDir]);
  await sandboxed(["--allow-read", "--allow-write"], ["restore", "--from", out, "--data-dir", dataDir]);
  await checkWhole(dataDir);
});

Deno.test("backupOrigin() refuses what cannot become a good backup, and leaves nothing", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  const tokens = await populate(site);
  const out = join(folder.path, "origin.tar");
  const backup = (options = {}) => backupOrigin({ dataDir: site.dataDir, out, signal, ...options });
  await assert.rejects(backup({ dataDir: folder.path }), ConfigurationError);
  await assert.rejects(backup({ out: folder.path }), InvalidInputError);

  const stop = new AbortController();
  const interrupted = backup({ signal: stop.signal, onProgress: () => stop.abort(new InterruptedError()) });
  await assert.rejects(interrupted, InterruptedError);
  assert.deepEqual(await filesBelow(folder.path), []);

  const results = await Promise.allSettled([backup(), backup()]);
  const reasons = results.map((result) => result.status === "rejected" ? result.reason.constructor : "done");
  assert.deepEqual(new Set(reasons), new Set(["done", ConflictError]));
  await Deno.remove(out);

  const other = utf8("the small part of nobody");
  await site.call("POST", "/resources/models", { token: tokens.uploader, body: fileForm(other, "a.onnx.small") });
  await assert.rejects(backup({ clock: testClock() }), /"models\/a\.onnx": its two parts are of different uploads/);
  await publish(site, tokens, "a.onnx", "again");

  const objects = join(site.dataDir, "objects");
  const [blob = ""] = await filesBelow(objects);
  const bytes = await Deno.readFile(join(objects, blob));
  await Deno.writeFile(join(objects, blob), bytes.with(1000, bytes.at(1000) === 0 ? 1 : 0));
  await assert.rejects(backup(), IntegrityError);
  await Deno.writeFile(join(objects, blob), bytes.subarray(1));
  await assert.rejects(backup(), IntegrityError);
  await Deno.remove(join(objects, blob));
  await assert.rejects(backup(), IntegrityError);
  assert.deepEqual(await filesBelow(folder.path), []);
  assert.ok(!(await filesBelow(site.dataDir)).some((path) => path.includes("partial")));
});

Deno.test("restoreOrigin() refuses a backup with any flipped bit, and leaves nothing", async () => {
  await using folder = await tempFolder();
  const archive = await Deno.readFile(await smallBackup(folder));
  const flips = keystream("where", archive.byteLength / TAR_BLOCK_BYTES * 2);
  for (let block = 0; block * TAR_BLOCK_BYTES < archive.byteLength; block++) {
    const offset = block * TAR_BLOCK_BYTES + ((flips[2 * block] ?? 0) * 2 + (block & 1));
    const bit = 1 << ((flips[2 * block + 1] ?? 0) & 7);
    const flipped = archive.with(offset, (archive[offset] ?? 0) ^ bit);
    await refuses(folder, flipped, `bit ${bit} of byte ${offset}`);
  }
});

Deno.test("restoreOrigin() refuses a backup that was cut or added to, and leaves nothing", async () => {
  await using folder = await tempFolder();
  const archive = await Deno.readFile(await smallBackup(folder));
  const { byteLength } = archive;
  for (
    const size of [0, 1, 511, 512, 513, 1024, 5000, byteLength / 2, byteLength - 1024, byteLength - 512, byteLength - 1]
  ) {
    await refuses(folder, archive.subarray(0, size), `cut to ${size} bytes`);
  }
  for (const size of [1, 512, 10_000]) {
    const longer = new Uint8Array(byteLength + size);
    longer.set(archive);
    await refuses(folder, longer, `${size} bytes more`);
  }
  await refuses(folder, keystream("noise", 4096), "no backup at all");
});

async function refuses(folder: TempFolder, archive: Bytes, what: string): Promise<void> {
  const from = join(folder.path, "altered.tar");
  await Deno.writeFile(from, archive);
  const dataDir = join(folder.path, "restored");
  await assert.rejects(restoreOrigin({ from, dataDir, signal }), IntegrityError, what);
  assert.deepEqual(await filesBelow(folder.path), ["altered.tar", "origin.tar"], what);
}

Deno.test("restoreOrigin() takes an empty folder or none, and no other", async () => {
  await using folder = await tempFolder();
  const from = await smallBackup(folder);
  const dataDir = join(folder.path, "restored");
  await assert.rejects(restoreOrigin({ from: join(folder.path, "none.tar"), dataDir, signal }), NotFoundError);
  await Deno.mkdir(dataDir);
  await restoreOrigin({ from, dataDir, signal });
  await checkWhole(dataDir);
  await assert.rejects(restoreOrigin({ from, dataDir, signal }), ConflictError);
  await checkWhole(dataDir);
  await assert.rejects(restoreOrigin({ from, dataDir: from, signal }), ConflictError);

  const late = join(folder.path, "late");
  const onProgress = () => Deno.mkdirSync(join(late, "somebody else's"), { recursive: true });
  await assert.rejects(restoreOrigin({ from, dataDir: late, signal, onProgress }), ConflictError);
  assert.deepEqual(await filesBelow(late), []);

  const stop = new AbortController();
  const interrupt = (doneBytes: number, totalBytes: number) =>
    doneBytes > totalBytes / 2 && stop.abort(new InterruptedError());
  const third = join(folder.path, "third");
  const interrupted = restoreOrigin({ from, dataDir: third, signal: stop.signal, onProgress: interrupt });
  await assert.rejects(interrupted, InterruptedError);
  assert.ok(!(await filesBelow(folder.path)).some((path) => path.includes("third")));
});

Deno.test("restoreOrigin() refuses a whole archive whose files do not make an origin", async () => {
  await using folder = await tempFolder();
  const from = await smallBackup(folder);
  const dataDir = join(folder.path, "restored");
  await restoreOrigin({ from, dataDir, signal });
  const files = await Promise.all((await filesBelow(dataDir)).map((path) => contentOf(dataDir, path)));
  const sorted = [
    ...files.filter(({ path }) => path !== "origin.db"),
    ...files.filter(({ path }) => path === "origin.db"),
  ];
  const extra = { path: `objects/${"0".repeat(32)}`, bytes: utf8("nobody names it") };
  const noDatabase = { path: "origin.db", bytes: utf8("no database") };
  await Deno.remove(dataDir, { recursive: true });
  const restore = async (parts: readonly Content[]) => {
    await Deno.writeFile(from, archiveOf(parts));
    await restoreOrigin({ from, dataDir, signal });
  };
  const cases = { extra: [extra, ...sorted], lessOne: sorted.slice(1), noDatabase: [noDatabase] };
  for (const [what, parts] of Object.entries(cases)) {
    await assert.rejects(restore(parts), IntegrityError, what);
    assert.deepEqual(await filesBelow(folder.path), ["origin.tar"], what);
  }
  await restore(sorted);
  await checkWhole(dataDir);
});

Deno.test("backupOrigin() refuses a damaged database", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  await populate(site);
  await site.stop();
  const path = join(site.dataDir, "origin.db");
  const bytes = await Deno.readFile(path);
  const damages = { "not SQLite": bytes.with(0, 0), "a page of noise": bytes.slice() };
  damages["a page of noise"].set(keystream("noise", 4096), 3 * 4096);
  for (const [what, damaged] of Object.entries(damages)) {
    await Deno.writeFile(path, damaged);
    const out = join(folder.path, "origin.tar");
    const refused = (error: unknown) => error instanceof ConfigurationError || error instanceof IntegrityError;
    await assert.rejects(backupOrigin({ dataDir: site.dataDir, out, signal }), refused, what);
    assert.deepEqual(await filesBelow(folder.path), [], what);
  }
  await Deno.writeFile(path, bytes);
  await site.serve();
});

Deno.test("backupOrigin() and restoreOrigin() refuse the database of a newer program", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  await site.stop();
  const from = join(folder.path, "origin.tar");
  const newest = async (change: string) => {
    using state = await State.open(site.dataDir, 0);
    state.run(change);
  };
  await newest("INSERT INTO migrations (version, applied_ms) VALUES (1000, 0)");
  await assert.rejects(backupOrigin({ dataDir: site.dataDir, out: from, signal }), ConfigurationError);
  await Deno.writeFile(from, archiveOf([await contentOf(site.dataDir, "origin.db")]));
  const restored = restoreOrigin({ from, dataDir: join(folder.path, "restored"), signal });
  await assert.rejects(restored, ConfigurationError);
  assert.deepEqual(await filesBelow(folder.path), ["origin.tar"]);
});

interface Content {
  readonly path: string;
  readonly bytes: Bytes;
}

async function contentOf(dataDir: string, path: string): Promise<Content> {
  return { path, bytes: await Deno.readFile(join(dataDir, path)) };
}

/** An archive that is right in itself, whatever its files are. */
function archiveOf(parts: readonly Content[]): Bytes {
  const files = parts.map(({ path, bytes }) => ({ path, sizeBytes: bytes.byteLength, sha256: sha256(bytes) }));
  const manifest = encodeManifest({ createdMs: 0, files });
  const entry = (name: string, bytes: Bytes) =>
    concat(tarHeader(name, bytes.byteLength), bytes, tarPadding(bytes.byteLength));
  const entries = parts.map(({ bytes }) => entry(`sha256/${sha256(bytes)}`, bytes));
  return concat(entry(manifestEntryName(manifest), manifest), ...entries, tarEnd());
}

Deno.test("restoreOrigin() killed at any moment leaves nothing that starts, and can be repeated", async () => {
  await using folder = await tempFolder();
  await using site = await OriginSite.start();
  const { writer } = await populate(site);
  await site.call("PUT", "/objects/models/large.big", { token: writer, body: keystream("large", 48_000_000) });
  const from = join(folder.path, "origin.tar");
  await backupOrigin({ dataDir: site.dataDir, out: from, signal });
  const dataDir = join(folder.path, "restored");
  const building = join(folder.path, ".restored.restore.partial");
  for (const pauseMs of [0, 20, 60]) {
    const child = startTally(["origin", "restore", "--from", from, "--data-dir", dataDir]);
    await eventually(
      "the restore has begun",
      async () => await folderState(building) !== "missing" || await folderState(dataDir) !== "missing",
    );
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    child.signal("SIGKILL");
    await child.ended;
    await child.stdin.close().catch(() => {});
    if (await folderState(dataDir) === "filled") { // it was faster than we are
      readVerifiedDatabase(join(dataDir, "origin.db"));
      await Deno.remove(dataDir, { recursive: true });
    }
    for (const path of [dataDir, building]) {
      const started = runOrigin({ dataDir: path, port: 0 }, signal, () => {});
      await assert.rejects(started, ConfigurationError, `${path} after ${pauseMs} ms`);
    }
  }
  await restoreOrigin({ from, dataDir, signal });
  assert.deepEqual(Array.from(Deno.readDirSync(folder.path), ({ name }) => name).sort(), ["origin.tar", "restored"]);
});
