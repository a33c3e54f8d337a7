import assert from "node:assert/strict";
import { join } from "node:path";
import { ConfigurationError } from "../../../lib/errors.ts";
import { State } from "../../../origin/state.ts";
import { tempFolder } from "../../support/temp_folder.ts";

function modeOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

Deno.test("State keeps what was committed, for its owner only", async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, "origin");
  {
    using state = await State.create(dataDir, 0);
    state.run("INSERT INTO counters (name, value) VALUES (?, ?)", "x", 1);
    const files = [...Deno.readDirSync(dataDir)].map(({ name }) => name);
    assert.deepEqual(files.sort(), ["origin.db", "origin.db-shm", "origin.db-wal"]);
    for (const name of files) assert.equal(modeOf(join(dataDir, name)), 0o600, name);
  }
  assert.equal(modeOf(dataDir), 0o700);
  using state = await State.open(dataDir, 0);
  assert.equal(state.get("SELECT value FROM counters WHERE name = ?", "x")?.value, 1);
});

Deno.test("State.open makes nothing where there is nothing", async () => {
  await using folder = await tempFolder();
  await assert.rejects(State.open(folder.path, 0), ConfigurationError);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("State.open refuses a database that others may read, and one that is damaged", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "origin.db");
  (await State.create(folder.path, 0))[Symbol.dispose]();
  await Deno.chmod(path, 0o644);
  await assert.rejects(State.open(folder.path, 0), {
    code: "configuration",
    message: /can be read by others: chmod 600 /,
  });
  await Deno.chmod(path, 0o660);
  (await State.open(folder.path, 0))[Symbol.dispose]();
  await Deno.writeTextFile(path, "no database");
  await assert.rejects(State.open(folder.path, 0), { code: "configuration", message: /file is not a database$/ });
});

Deno.test("State.transaction leaves nothing of work that throws", async () => {
  await using folder = await tempFolder();
  using state = await State.create(folder.path, 0);
  const failure = new Error("on purpose");
  assert.throws(() =>
    state.transaction(() => {
      state.run("INSERT INTO counters (name, value) VALUES ('x', 1)");
      throw failure;
    }), failure);
  assert.deepEqual(state.all("SELECT * FROM counters"), []);
  state.transaction(() => state.run("INSERT INTO counters (name, value) VALUES ('x', 1)"));
  assert.equal(state.all("SELECT * FROM counters").length, 1);
});

Deno.test("State.open refuses the state of a newer version", async () => {
  await using folder = await tempFolder();
  {
    using state = await State.create(folder.path, 0);
    state.run("INSERT INTO migrations (version, applied_ms) VALUES (999, 0)");
  }
  await assert.rejects(State.open(folder.path, 0), ConfigurationError);
});

Deno.test("State is durable: WAL and synchronous FULL, foreign keys on", async () => {
  await using folder = await tempFolder();
  using state = await State.create(folder.path, 0);
  assert.equal(state.get("PRAGMA journal_mode")?.journal_mode, "wal");
  assert.equal(state.get("PRAGMA synchronous")?.synchronous, 2);
  assert.equal(state.get("PRAGMA foreign_keys")?.foreign_keys, 1);
});
