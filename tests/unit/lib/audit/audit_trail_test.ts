import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import type { AuditEvent, TrailHead } from "../../../../lib/audit/audit_line.ts";
import { AuditTrail, nameOf, trailFiles } from "../../../../lib/audit/audit_trail.ts";
import { verifyTrail } from "../../../../lib/audit/verify_trail.ts";
import { IntegrityError } from "../../../../lib/errors.ts";
import { KNOWN_SECRETS } from "../../../../lib/redaction/known_secrets.ts";
import { tempFolder } from "../../../support/temp_folder.ts";
import { testClock } from "../../../support/test_clock.ts";

const SMALL_FILES = { fileBytes: 1000, files: 100 };
const LINES = 12;

function load(name: string): AuditEvent {
  return { action: "load", who: "ada@example.com", resource: `models/${name}`, from: "127.0.0.1", result: "ok" };
}

async function writtenTrail(folder: string, limits = SMALL_FILES, lines = LINES): Promise<string> {
  const path = join(folder, "audit");
  const trail = new AuditTrail(path, testClock(), { limits });
  for (let i = 0; i < lines; i++) await trail.record(load(`m${i}`));
  return path;
}

/** All lines of a trail, with the file of each. */
async function linesOf(path: string): Promise<[name: string, line: string][]> {
  const lines: [string, string][] = [];
  for (const name of await trailFiles(path)) {
    const text = await Deno.readTextFile(join(path, name));
    lines.push(...text.trimEnd().split("\n").map((line): [string, string] => [name, line]));
  }
  return lines;
}

async function rewrite(path: string, lines: readonly [string, string][]): Promise<void> {
  for (const name of await trailFiles(path)) {
    const own = lines.filter(([file]) => file === name).map(([, line]) => `${line}\n`);
    await Deno.writeTextFile(join(path, name), own.join(""));
  }
}

Deno.test("AuditTrail writes who did what, in files for its owner only, and verifyTrail() finds it whole over their borders", async () => {
  await using folder = await tempFolder();
  const path = await writtenTrail(folder.path);
  const names = await trailFiles(path);
  assert.ok(names.length > 2, "one file only");
  for (const name of names) assert.equal(((await Deno.stat(join(path, name))).mode ?? 0) & 0o777, 0o600);
  const [first] = await linesOf(path);
  const { hash: _hash, prev, ...fields } = JSON.parse(first?.[1] ?? "");
  assert.deepEqual(fields, { seq: 1, time: "2030-01-01T00:00:00.000Z", ...load("m0") });
  assert.equal(prev, "0".repeat(64));
  const { lines, firstSeq, head, tornCharacters } = await verifyTrail(path);
  assert.deepEqual([lines, firstSeq, head.seq, tornCharacters], [LINES, 1, LINES, 0]);
  await new AuditTrail(path, testClock(), { limits: SMALL_FILES }).record(load("later"));
  assert.equal((await verifyTrail(path, head.hash)).lines, LINES + 1, "a later process goes on with the chain");
});

Deno.test("AuditTrail masks a secret that was typed for an account, and hides no account that is known behind it", async () => {
  await using folder = await tempFolder();
  const trail = new AuditTrail(folder.path, testClock());
  using _password = KNOWN_SECRETS.hold("ada@example.com"); // as somebody may type it to sign in
  await trail.record(load("m1"));
  await trail.record({ ...load("m1"), role: "Operator" });
  const accounts = (await linesOf(folder.path)).map(([, line]) => JSON.parse(line).who);
  assert.deepEqual(accounts, ["***", "ada@example.com"]);
});

Deno.test("verifyTrail() names the first line that was altered, removed, doubled or moved", async () => {
  await using folder = await tempFolder();
  const path = await writtenTrail(folder.path);
  const original = await linesOf(path);
  const damage = fc.oneof(
    fc.tuple(fc.constant("altered" as const), fc.nat(LINES - 1), fc.nat(400)),
    fc.tuple(fc.constant("removed" as const), fc.nat(LINES - 2), fc.constant(0)), // the last one cannot be missed
    fc.tuple(fc.constant("doubled" as const), fc.nat(LINES - 1), fc.constant(0)),
    fc.tuple(fc.constant("swapped" as const), fc.nat(LINES - 2), fc.constant(0)),
  );
  await fc.assert(
    fc.asyncProperty(damage, async ([kind, at, place]) => {
      await rewrite(path, damaged(original, kind, at, place));
      const error = await verifyTrail(path).then(() => undefined, (error) => error);
      await rewrite(path, original);
      assert.ok(error instanceof IntegrityError, `${kind} at ${at}: ${error}`);
      const isOfFile = ["removed", "swapped"].includes(kind) && original[at]?.[0] !== original[at + 1]?.[0];
      if (!isOfFile) assert.match(error.message, /Line \d+ of "audit-\d{12}\.jsonl"|begins with line/);
    }),
    { numRuns: 200 },
  );
  assert.equal((await verifyTrail(path)).lines, LINES);
});

function damaged(
  lines: readonly [string, string][],
  kind: "altered" | "removed" | "doubled" | "swapped",
  at: number,
  place: number,
): [string, string][] {
  const copy = lines.map(([name, line]): [string, string] => [name, line]);
  const [entry, next] = [copy[at], copy[at + 1]];
  assert.ok(entry);
  if (kind === "removed") copy.splice(at, 1);
  if (kind === "doubled") copy.splice(at, 0, [...entry]);
  if (kind === "swapped" && next) [entry[1], next[1]] = [next[1], entry[1]];
  if (kind === "altered") {
    const index = place % entry[1].length;
    const other = entry[1][index] === "x" ? "y" : "x";
    entry[1] = entry[1].slice(0, index) + other + entry[1].slice(index + 1);
  }
  return copy;
}

Deno.test("verifyTrail() misses a removed end only when nobody has kept its hash", async () => {
  await using folder = await tempFolder();
  const path = await writtenTrail(folder.path);
  const { head } = await verifyTrail(path);
  await rewrite(path, (await linesOf(path)).slice(0, -1));
  assert.equal((await verifyTrail(path)).head.seq, LINES - 1);
  await assert.rejects(verifyTrail(path, head.hash), IntegrityError);
});

Deno.test("AuditTrail goes on after a line that a power cut has torn anywhere, and says so", async () => {
  await using folder = await tempFolder();
  const path = await writtenTrail(folder.path, { fileBytes: 4000, files: 100 }, 3);
  const file = join(path, (await trailFiles(path))[0] ?? "");
  const whole = await Deno.readTextFile(file);
  const lastStart = whole.lastIndexOf("\n", whole.length - 2) + 1;
  for (const length of [lastStart + 1, lastStart + 50, whole.length - 1]) {
    await Deno.writeTextFile(file, whole.slice(0, length));
    assert.equal((await verifyTrail(path)).tornCharacters, length - lastStart);
    await new AuditTrail(path, testClock()).record(load("after"));
    const lines = await linesOf(path);
    assert.deepEqual(lines.slice(2).map(([, line]) => JSON.parse(line).action), ["trail_repaired", "load"]);
    assert.equal((await verifyTrail(path)).lines, 4);
  }
});

Deno.test("AuditTrail goes on after a line that was torn in the middle of a letter, and takes nothing of the line before", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "audit");
  for (const name of ["a", "\u{1F600}"]) await new AuditTrail(path, testClock()).record(load(name));
  const file = join(path, "audit-000000000001.jsonl");
  const whole = await Deno.readFile(file);
  const letter = whole.indexOf(0xf0);
  for (const cut of [1, 2, 3]) {
    await Deno.writeFile(file, whole.subarray(0, letter + cut));
    await new AuditTrail(path, testClock()).record(load("after"));
    assert.equal((await verifyTrail(path)).lines, 3, `cut after ${cut} bytes of a letter`);
  }
});

Deno.test("AuditTrail goes on after a power cut that left a new file empty", async () => {
  await using folder = await tempFolder();
  const path = await writtenTrail(folder.path);
  await Deno.writeTextFile(join(path, "audit-000000000013.jsonl"), "");
  await new AuditTrail(path, testClock()).record(load("after"));
  assert.equal((await verifyTrail(path)).lines, LINES + 1);
});

Deno.test("AuditTrail appends nothing to a trail whose last line was altered", async () => {
  await using folder = await tempFolder();
  const path = await writtenTrail(folder.path, undefined, 1);
  const file = join(path, "audit-000000000001.jsonl");
  const altered = (await Deno.readTextFile(file)).replace("ada@", "eve@");
  await Deno.writeTextFile(file, altered);
  await assert.rejects(new AuditTrail(path, testClock()).record(load("after")), IntegrityError);
  assert.equal(await Deno.readTextFile(file), altered);
});

Deno.test("AuditTrail keeps as many files as it may, and the rest of the chain stays right", async () => {
  await using folder = await tempFolder();
  const path = await writtenTrail(folder.path, { fileBytes: 600, files: 3 }, 20);
  assert.equal((await trailFiles(path)).length, 3);
  const { firstSeq, head, lines } = await verifyTrail(path, undefined, { filesKept: 3 });
  assert.ok(firstSeq > 1);
  assert.deepEqual([head.seq, lines], [20, 21 - firstSeq]);
});

Deno.test("verifyTrail() notices older files that were removed from outside, and a missing end by a head of the log", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "audit");
  const heads: TrailHead[] = [];
  const trail = new AuditTrail(path, testClock(), { limits: SMALL_FILES, onHead: (head) => void heads.push(head) });
  for (let i = 0; i < LINES; i++) await trail.record(load(`m${i}`));
  const names = await trailFiles(path);
  assert.deepEqual(heads.map(({ seq }) => nameOf(seq)), names, "a head is told at the first line and in each new file");
  for (const { hash } of heads) assert.equal((await verifyTrail(path, hash)).lines, LINES);
  const last = names.at(-1) ?? "";
  await Deno.rename(join(path, last), join(folder.path, last));
  assert.ok((await verifyTrail(path)).lines < LINES, "the files alone do not tell");
  await assert.rejects(verifyTrail(path, heads.at(-1)?.hash), /does not hold the line/);
  await Deno.remove(join(path, names[0] ?? ""));
  await assert.rejects(verifyTrail(path), /begins with line \d+: older files were removed from outside/);
});

Deno.test("AuditTrail: processes at once on one folder make one chain", async () => {
  await using folder = await tempFolder();
  const child = new URL("../../../support/audit_child.ts", import.meta.url).pathname;
  const args = ["run", "-A", "--quiet", child, folder.path, "15"];
  const outputs = await Promise.all([1, 2, 3].map(() => new Deno.Command(Deno.execPath(), { args }).output()));
  for (const { success, stderr } of outputs) assert.ok(success, new TextDecoder().decode(stderr));
  assert.equal((await verifyTrail(folder.path)).lines, 45);
});

Deno.test("AuditTrail: two of them at once on one folder make one chain", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "audit");
  const clock = { now: () => Date.now(), sleep: () => Promise.resolve() };
  const trails = [
    new AuditTrail(path, clock, { limits: SMALL_FILES }),
    new AuditTrail(path, clock, { limits: SMALL_FILES }),
  ];
  await Promise.all(
    trails.flatMap((trail, t) => Array.from({ length: 10 }, (_, i) => trail.record(load(`${t}.${i}`)))),
  );
  assert.equal((await verifyTrail(path)).lines, 20);
});

Deno.test("AuditTrail writes all who come at once, in their order, and tells each of them when it could not", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "audit");
  const trail = new AuditTrail(path, testClock(), { limits: SMALL_FILES });
  await Promise.all(Array.from({ length: 30 }, (_, index) => trail.record(load(`m${index}`))));
  const written = (await linesOf(path)).map(([, line]) => JSON.parse(line).resource);
  assert.deepEqual(written, Array.from({ length: 30 }, (_, index) => `models/m${index}`));
  assert.equal((await verifyTrail(path)).lines, 30);
  await rewrite(path, (await linesOf(path)).map(([name, line]) => [name, line.replace("ada@", "eve@")]));
  const ends = await Promise.allSettled([1, 2, 3].map(() => trail.record(load("late"))));
  assert.ok(ends.every((end) => end.status === "rejected" && end.reason instanceof IntegrityError));
});

Deno.test("AuditTrail goes on after a power cut that left a long tail of zeros, or a long piece of a line", async () => {
  await using folder = await tempFolder();
  const path = await writtenTrail(folder.path, { fileBytes: 1e6, files: 100 }, 3);
  const file = join(path, (await trailFiles(path))[0] ?? "");
  const whole = await Deno.readTextFile(file);
  for (const tail of ["\0".repeat(200_000), "x".repeat(100_000)]) {
    await Deno.writeTextFile(file, whole + tail);
    assert.equal((await verifyTrail(path)).tornCharacters, 16 * 1024, "as much of it as is looked at");
    await new AuditTrail(path, testClock()).record(load("after"));
    const { lines } = await verifyTrail(path);
    assert.equal(lines, 5);
  }
});

Deno.test("AuditTrail says that its lines were removed under it, all of them or the last, and goes on", async () => {
  for (const left of [0, 2]) {
    await using folder = await tempFolder();
    const path = join(folder.path, "audit");
    const trail = new AuditTrail(path, testClock());
    for (let i = 0; i < LINES; i++) await trail.record(load(`m${i}`));
    await rewrite(path, (await linesOf(path)).slice(0, left));
    if (left === 0) await Deno.remove(path, { recursive: true });
    await trail.record(load("next"));
    await trail.record(load("last"));
    const actions = (await linesOf(path)).map(([, line]) => JSON.parse(line));
    assert.deepEqual(actions.slice(left).map(({ action }) => action), ["trail_lost", "load", "load"]);
    assert.equal(actions[left].resource, `lines up to ${LINES} were removed`);
    assert.equal((await verifyTrail(path)).lines, left + 3);
  }
});
