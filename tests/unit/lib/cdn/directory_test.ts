import assert from "node:assert/strict";
import { join } from "node:path";
import { DirectoryStore } from "../../../../lib/cdn/directory.ts";
import { NotAllowedError, NotFoundError, UnavailableError } from "../../../../lib/errors.ts";
import { byteReader, collect } from "../../../../lib/streams.ts";
import { keystream } from "../../../support/keystream.ts";
import { sourceOf } from "../../../support/object_source.ts";
import { filesBelow } from "../../../support/origin_site.ts";
import { type TempFolder, tempFolder } from "../../../support/temp_folder.ts";

const BYTES = keystream("directory", 1000);

/** A stick beside a folder that must stay out of reach. */
async function stick(): Promise<{ store: DirectoryStore; root: string; outside: string; folder: TempFolder }> {
  const folder = await tempFolder();
  const [root, outside] = [join(folder.path, "stick"), join(folder.path, "outside")];
  await Promise.all([Deno.mkdir(root), Deno.mkdir(outside)]);
  await Deno.writeTextFile(join(outside, "secret.big"), "secret");
  return { store: new DirectoryStore({ kind: "directory", path: root }), root, outside, folder };
}

Deno.test("DirectoryStore is not led out of its folder by symbolic links", async () => {
  const { store, root, outside, folder } = await stick();
  await using _ = folder;
  await Deno.symlink(outside, join(root, "linked"));
  await Deno.mkdir(join(root, "models"));
  await Deno.symlink(join(outside, "secret.big"), join(root, "models", "link.big"));
  for (const [bucket, key] of [["linked", "secret.big"], ["models", "link.big"]] as const) {
    assert.equal(await store.head(bucket, key), undefined);
    await assert.rejects(store.get(bucket, key), NotFoundError);
  }
  await assert.rejects(store.put("linked", "new.big", sourceOf(BYTES)), NotAllowedError);
  await store.delete("linked", "secret.big");
  assert.deepEqual(await Array.fromAsync(store.list("linked")), []);
  assert.deepEqual(await Array.fromAsync(store.list("models")), []);
  await store.put("models", "link.big", sourceOf(BYTES)); // replaces the link itself
  assert.deepEqual(await filesBelow(outside), ["secret.big"]);
  assert.equal(await Deno.readTextFile(join(outside, "secret.big")), "secret");
});

Deno.test("DirectoryStore works when its root itself is reached by a link", async () => {
  const { root, folder } = await stick();
  await using _ = folder;
  await Deno.symlink(root, join(folder.path, "mounted"));
  const store = new DirectoryStore({ kind: "directory", path: join(folder.path, "mounted") });
  await store.put("models", "a.big", sourceOf(BYTES));
  assert.deepEqual(await collect((await store.get("models", "a.big")).body, 1000), BYTES);
});

Deno.test("DirectoryStore is unavailable, and makes nothing, while the stick is not plugged in", async () => {
  await using folder = await tempFolder();
  const store = new DirectoryStore({ kind: "directory", path: join(folder.path, "not-there") });
  const calls = [
    () => store.head("models", "a.big"),
    () => store.get("models", "a.big"),
    () => store.put("models", "a.big", sourceOf(BYTES)),
    () => store.delete("models", "a.big"),
    () => Array.fromAsync(store.list("models")),
  ];
  for (const call of calls) await assert.rejects(call, UnavailableError);
  assert.deepEqual(await filesBelow(folder.path), []);
});

Deno.test("DirectoryStore gives the object that was opened, although it is replaced meanwhile", async () => {
  const { store, folder } = await stick();
  await using _ = folder;
  const first = keystream("first", 600_000);
  const { etag } = await store.put("models", "a.big", sourceOf(first));
  const object = await store.get("models", "a.big");
  await store.put("models", "a.big", sourceOf(keystream("other", 600_000)));
  assert.equal(object.etag, etag);
  assert.deepEqual(await collect(object.body, 600_000), first);
});

Deno.test("DirectoryStore fails a body, and never ends it early, when the file gets shorter", async () => {
  const { store, root, folder } = await stick();
  await using _ = folder;
  await store.put("models", "a.big", sourceOf(keystream("first", 600_000)));
  const reader = byteReader((await store.get("models", "a.big")).body);
  await reader.read(10);
  await Deno.truncate(join(root, "models", "a.big"), 400_000);
  await assert.rejects(async () => {
    while ((await reader.read(100_000)).byteLength > 0);
  }, UnavailableError);
});

Deno.test("DirectoryStore writes for everybody to read, and lists no temporary, linked or nested files", async () => {
  const { store, root, folder } = await stick();
  await using _ = folder;
  await store.put("models", "a.big", sourceOf(BYTES));
  const mode = (await Deno.stat(join(root, "models", "a.big"))).mode ?? 0;
  assert.equal(mode & 0o444, 0o444);
  await Deno.writeTextFile(join(root, "models", ".x.partial"), "half");
  await Deno.mkdir(join(root, "models", "nested.big"));
  assert.deepEqual(await Array.fromAsync(store.list("models")), [{ key: "a.big", sizeBytes: 1000 }]);
  assert.equal(await store.head("models", "nested.big"), undefined);
  assert.equal(await store.head("a.big", "a.big"), undefined);
});
