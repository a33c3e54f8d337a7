import assert from "node:assert/strict";
import { join } from "node:path";
import { ConfigurationError } from "../../../../lib/errors.ts";
import { LogFiles, type LogFilesOptions } from "../../../../lib/logs/log_files.ts";
import { smallDisk } from "../../../support/small_disk.ts";
import { tempFolder } from "../../../support/temp_folder.ts";

const DAY_MS = 24 * 3600 * 1000;
const START_MS = Date.UTC(2030, 0, 31, 12);
const IS_ROOT = Deno.uid() === 0;

/** Files with a clock that is moved by hand, and what was told of them. */
function openLog(folder: string, options: Partial<LogFilesOptions> = {}) {
  const time = { nowMs: START_MS };
  const told: string[] = [];
  const files = LogFiles.open(folder, {
    program: "device",
    retentionDays: 30,
    now: () => time.nowMs,
    tell: (event) => void told.push(event),
    ...options,
  });
  return { files, time, told };
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

function textIn(folder: string, name: string): string {
  return Deno.readTextFileSync(join(folder, name));
}

function modeOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

Deno.test("LogFiles writes a file a day, for its owner only, and goes on with it after a restart", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "log/device");
  const { files, time } = openLog(path);
  files.write("1\n");
  time.nowMs += DAY_MS;
  files.write("2\n");
  files[Symbol.dispose]();
  const later = openLog(path, { now: () => time.nowMs });
  later.files.write("3\n");
  later.files[Symbol.dispose]();
  assert.deepEqual(namesIn(path), ["device-2030-01-31.0.jsonl", "device-2030-02-01.0.jsonl"]);
  assert.equal(textIn(path, "device-2030-02-01.0.jsonl"), "2\n3\n");
  assert.deepEqual([modeOf(path), modeOf(join(path, "device-2030-01-31.0.jsonl"))], [0o700, 0o600]);
});

Deno.test("LogFiles begins another file when one is full, and removes the oldest when all are too large", async () => {
  await using folder = await tempFolder();
  const { files, time } = openLog(folder.path, { limits: { fileBytes: 20, totalBytes: 60 } });
  for (let line = 0; line < 100; line++) {
    files.write(`line ${String(line).padStart(3, "0")}\n`);
    if (line === 50) time.nowMs += DAY_MS;
  }
  files[Symbol.dispose]();
  const names = namesIn(folder.path);
  assert.deepEqual(names.map((name) => name.slice(7, 17)), names.map(() => "2030-02-01"));
  assert.ok(names.length >= 3 && names.length <= 4, names.join());
  assert.match(textIn(folder.path, "device-2030-02-01.16.jsonl"), /line 099\n$/);
});

Deno.test("LogFiles removes its own files when they are too old, and touches no other name and no link", async () => {
  await using folder = await tempFolder();
  const outside = join(folder.path, "outside.jsonl");
  Deno.writeTextFileSync(outside, "kept");
  const log = join(folder.path, "log");
  Deno.mkdirSync(log, { mode: 0o700 });
  const kept = [
    ...[
      "device-2030-01-01.0.jsonl",
      "origin-2029-01-01.0.jsonl",
      "device-2029-01-01.jsonl",
      "device-2029-01-01.0.jsonl.gz",
    ],
    ...["device-2029-99-99.0.jsonl", "xdevice-2029-01-01.0.jsonl"],
  ];
  for (const name of [...kept, "device-2029-12-31.0.jsonl", "device-2001-01-01.7.jsonl"]) {
    Deno.writeTextFileSync(join(log, name), "x\n");
  }
  Deno.symlinkSync(outside, join(log, "device-2029-01-02.0.jsonl"));
  Deno.mkdirSync(join(log, "device-2029-01-03.0.jsonl"));
  const { files } = openLog(log);
  files[Symbol.dispose]();
  const links = ["device-2029-01-02.0.jsonl", "device-2029-01-03.0.jsonl"];
  assert.deepEqual(namesIn(log), [...kept, ...links, "device-2030-01-31.0.jsonl"].sort());
  assert.equal(Deno.readTextFileSync(outside), "kept");
});

Deno.test("LogFiles writes through no link, and into no folder that others may write into", async () => {
  await using folder = await tempFolder();
  const outside = join(folder.path, "outside");
  Deno.writeTextFileSync(outside, "");
  const log = join(folder.path, "log");
  Deno.mkdirSync(log, { mode: 0o700 });
  Deno.symlinkSync(outside, join(log, "device-2030-01-31.0.jsonl"));
  assert.throws(() => openLog(log), ConfigurationError);
  assert.equal(Deno.readTextFileSync(outside), "");
  Deno.removeSync(join(log, "device-2030-01-31.0.jsonl"));
  Deno.chmodSync(log, 0o777);
  assert.throws(() => openLog(log), /others may write into it; chmod 700/);
  assert.throws(() => openLog(outside), /is not a folder/);
  assert.deepEqual(namesIn(log), []);
});

Deno.test("LogFiles takes rights away that others have on a file of the day", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "device-2030-01-31.0.jsonl");
  Deno.writeTextFileSync(path, "x\n", { mode: 0o644 });
  openLog(folder.path).files[Symbol.dispose]();
  assert.equal(modeOf(path), 0o600);
});

Deno.test("LogFiles ends a line that a crash has cut off before the next one", async () => {
  await using folder = await tempFolder();
  Deno.writeTextFileSync(join(folder.path, "device-2030-01-31.0.jsonl"), '{"a":1}\n{"b"');
  const { files } = openLog(folder.path);
  files.write('{"c":3}\n');
  files[Symbol.dispose]();
  assert.equal(textIn(folder.path, "device-2030-01-31.0.jsonl"), '{"a":1}\n{"b"\n{"c":3}\n');
});

Deno.test("LogFiles goes on when its folder is removed under it", async () => {
  await using folder = await tempFolder();
  const log = join(folder.path, "log");
  const { files, told } = openLog(log);
  files.write("1\n");
  Deno.removeSync(log, { recursive: true });
  files.write("2\n");
  files[Symbol.dispose]();
  assert.equal(textIn(log, "device-2030-01-31.0.jsonl"), "2\n");
  assert.deepEqual(told, []);
});

Deno.test({
  name: "LogFiles on a full disk, and on one that is read-only, throws nothing, tells it once, and goes on when it can",
  ignore: !IS_ROOT,
  fn: async () => {
    await using disk = await smallDisk({ sizeKib: 64 });
    Deno.chmodSync(disk.path, 0o700);
    const { files, told } = openLog(disk.path);
    const line = `${"x".repeat(999)}\n`;
    for (let count = 0; count < 200; count++) files.write(line);
    assert.deepEqual(told, ["log_file_failed"]);
    Deno.truncateSync(join(disk.path, "device-2030-01-31.0.jsonl"), 0);
    files.write("again\n");
    assert.deepEqual(told, ["log_file_failed", "log_file_again"]);
    files[Symbol.dispose]();

    await disk.setReadOnly(true);
    const later = openLog(disk.path);
    for (let count = 0; count < 3; count++) later.files.write("lost\n");
    assert.deepEqual(later.told, ["log_file_failed"]);
    await disk.setReadOnly(false);
    later.files.write("after\n");
    later.files[Symbol.dispose]();
    assert.deepEqual(later.told, ["log_file_failed", "log_file_again"]);
    assert.equal(textIn(disk.path, "device-2030-01-31.0.jsonl"), "again\nafter\n");
  },
});
