import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { DownloadJob } from "../support/download_child.ts";
import { keystream } from "../support/keystream.ts";
import { linesOf } from "../support/lines.ts";
import { seededRandom } from "../support/random.ts";
import { rangeServer } from "../support/range_server.ts";
import { tempFolder } from "../support/temp_folder.ts";

const CHILD = new URL("../support/download_child.ts", import.meta.url).pathname;
const DOWNLOADS = 200;
const AT_A_TIME = 20;
const KILLS = 2;
const SEGMENT_BYTES = 16 * 1024;
const SIZE_BYTES = 70 * SEGMENT_BYTES + 321; // large enough for a journal

interface Heard {
  readonly startBytes: Map<string, number>;
  readonly doneBytes: Map<string, number>;
  readonly ended: Set<string>;
  readonly wasKilled: boolean;
}

/** Runs the child until it ends, or kills it as soon as it has said so many lines. */
async function runChild(job: DownloadJob, killAtLine: number): Promise<Heard> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", CHILD, JSON.stringify(job)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const heard = {
    startBytes: new Map<string, number>(),
    doneBytes: new Map<string, number>(),
    ended: new Set<string>(),
  };
  let lines = 0;
  for await (const line of linesOf(child.stdout)) {
    const [word = "", name = "", bytes = ""] = line.split(" ");
    if (word === "start") heard.startBytes.set(name, Number(bytes));
    if (word === "end") heard.ended.add(name);
    else heard.doneBytes.set(name, Number(bytes));
    if (++lines === killAtLine) child.kill("SIGKILL");
  }
  const { success, signal } = await child.status;
  assert(success || signal === "SIGKILL", "the child failed by itself");
  return { ...heard, wasKilled: signal === "SIGKILL" };
}

interface Group {
  readonly job: DownloadJob;
  readonly next: () => number;
}

/** Returns how many downloads were killed on their way. A segment that has once arrived is never fetched again. */
async function killAndGoOn({ job, next }: Group): Promise<number> {
  let kills = 0;
  let before: Heard | undefined;
  for (let round = 0;; round++) {
    const lines = AT_A_TIME * Math.ceil(SIZE_BYTES / SEGMENT_BYTES);
    const heard = await runChild(job, round < KILLS ? 1 + Math.floor(next() * lines * 0.9) : Infinity);
    for (const { name } of job.files) {
      const hadBytes = before?.doneBytes.get(name) ?? 0;
      const startBytes = heard.startBytes.get(name);
      if (startBytes === undefined || hadBytes === SIZE_BYTES) continue; // it may have got its name in that very moment
      assert(startBytes >= hadBytes, `"${name}" had ${hadBytes} bytes, and went on with ${startBytes}`);
    }
    if (!heard.wasKilled) return kills;
    kills += job.files.filter(({ name }) => !heard.ended.has(name)).length;
    before = heard;
  }
}

Deno.test("download() that is killed at random moments ends with the right bytes, 200 times", async () => {
  const { seed, next } = seededRandom();
  await using folder = await tempFolder();
  await using server = rangeServer();
  let kills = 0;
  for (let group = 0; group < DOWNLOADS / AT_A_TIME; group++) {
    const files = Array.from({ length: AT_A_TIME }, (_, index) => {
      const name = `${group}-${index}`;
      const bytes = keystream(name, SIZE_BYTES);
      server.files.set(name, { bytes, etag: name });
      return { name, sha256: createHash("sha256").update(bytes).digest("hex") };
    });
    const job = {
      ...{ base: server.url.href, folder: folder.path, files, sizeBytes: SIZE_BYTES, segmentBytes: SEGMENT_BYTES },
      bytesPerSecond: 32 * 1024 * 1024,
    };
    kills += await killAndGoOn({ job, next });
    for (const { name, sha256 } of files) {
      const bytes = await Deno.readFile(join(folder.path, name));
      assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256, `"${name}", seed ${seed}`);
      server.files.delete(name);
    }
  }
  const left = await Array.fromAsync(Deno.readDir(folder.path), ({ name }) => name);
  assert.deepEqual(left.filter((name) => name.startsWith(".")), [], `seed ${seed}`);
  const sent = server.seen.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
  // deno-lint-ignore no-console -- whoever sees it fail wants the seed, and everybody the cost
  console.log(
    `seed ${seed}: ${DOWNLOADS} downloads, ${kills} killed; ${sent - DOWNLOADS * SIZE_BYTES} bytes sent twice`,
  );
});
