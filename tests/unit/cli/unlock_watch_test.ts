import assert from "node:assert/strict";
import { Output } from "../../../cli/output.ts";
import { type UnlockReport, watchUnlock } from "../../../cli/unlock_watch.ts";
import { TallyError } from "../../../lib/errors.ts";
import { RecordedIo } from "../../support/recorded_io.ts";

const IDLE: UnlockReport = { state: "idle", error: null, progress: null };

async function watch(first: UnlockReport, ...later: UnlockReport[]): Promise<unknown[]> {
  const io = new RecordedIo();
  const output = new Output({
    stdout: io.stdout,
    stderr: io.stderr,
    json: true,
    environment: io.environment,
    clock: io.clock,
  });
  const signal = new AbortController().signal;
  await watchUnlock(first, () => Promise.resolve(later.shift() ?? IDLE), { output, clock: io.clock, signal });
  return io.said.trim().split("\n").map((line) => JSON.parse(line));
}

Deno.test("watchUnlock() shows each state once and its progress", async () => {
  const decrypting = { ...IDLE, state: "decrypting" };
  const events = await watch(
    { ...IDLE, state: "authenticating" },
    { ...IDLE, state: "authenticating" },
    decrypting,
    { ...decrypting, progress: { doneBytes: 5, totalBytes: 10 } },
    { ...IDLE, state: "ready" },
  );
  assert.deepEqual(events, [
    { event: "state", state: "authenticating" },
    { event: "state", state: "decrypting" },
    { event: "progress", state: "decrypting", doneBytes: 5, totalBytes: 10 },
    { event: "state", state: "loading_images" },
    { event: "state", state: "ready" },
  ]);
});

Deno.test("watchUnlock() shows the states, too, that were over before anybody asked", async () => {
  const states = async (...names: string[]) => {
    const [first = "", ...later] = names;
    const events = await watch({ ...IDLE, state: first }, ...later.map((state) => ({ ...IDLE, state })));
    return events.map((event) => (event as { state: string }).state);
  };
  const way = ["downloading_key", "decrypting", "loading_images", "ready"];
  assert.deepEqual(await states("downloading_key", "loading_images", "ready"), way);
  assert.deepEqual(await states("downloading_key", "ready"), way);
  assert.deepEqual(await states("authenticating", "ready"), ["authenticating", "ready"], "they may have been there");
});

Deno.test("watchUnlock() is done at once when the images are there", async () => {
  assert.deepEqual(await watch({ ...IDLE, state: "ready" }), [{ event: "state", state: "ready" }]);
});

Deno.test("watchUnlock() throws the condition that stopped the unlock", async () => {
  const failed: UnlockReport = { state: "error", error: "Docker is away", code: "docker", progress: null };
  await assert.rejects(watch({ ...IDLE, state: "decrypting" }, failed), (error) => {
    return error instanceof TallyError && error.code === "docker" && error.message === "Docker is away";
  });
});

Deno.test("watchUnlock() does not take an unlock that was given up for a success", async () => {
  await assert.rejects(watch({ ...IDLE, state: "decrypting" }, IDLE), /stopped in the state idle/);
});
