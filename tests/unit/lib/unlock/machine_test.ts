import assert from "node:assert/strict";
import fc from "fast-check";
import { IDLE, isRunning, transition, type UnlockEvent, type UnlockStatus } from "../../../../lib/unlock/machine.ts";

const TOTAL_BYTES = 1000;

const WAY: readonly UnlockEvent[] = [
  { kind: "started" },
  { kind: "authenticated" },
  { kind: "key_received", totalBytes: TOTAL_BYTES },
  { kind: "progressed", doneBytes: 400 },
  { kind: "handed_over" },
  { kind: "images_present" },
];
const FAILURE: UnlockEvent = { kind: "failed", code: "integrity", message: "The archive was cut off" };

const anyEvent: fc.Arbitrary<UnlockEvent> = fc.oneof(
  fc.constantFrom(...WAY, { kind: "withdrawn" } as const, FAILURE),
  fc.record({ kind: fc.constant("progressed" as const), doneBytes: fc.integer({ min: -10, max: 2 * TOTAL_BYTES }) }),
);

/** Takes the events that can happen; those that cannot must throw and change nothing. */
function statesOf(events: readonly UnlockEvent[], first = IDLE): UnlockStatus[] {
  const statuses: UnlockStatus[] = [first];
  for (const event of events) {
    const current = statuses.at(-1) ?? first;
    const before = structuredClone(current);
    try {
      statuses.push(transition(current, event));
    } catch (error) {
      assert.match(String(error), /cannot take/);
    }
    assert.deepEqual(current, before);
  }
  return statuses;
}

Deno.test("transition() goes the whole way to ready", () => {
  const statuses = statesOf(WAY);
  assert.deepEqual(statuses.map(({ state }) => state), [
    ...["idle", "authenticating", "downloading_key", "decrypting", "decrypting", "loading_images", "ready"],
  ]);
  assert.deepEqual(statuses.map(({ progress }) => progress?.doneBytes), [
    ...[undefined, undefined, undefined, 0, 400, TOTAL_BYTES, undefined],
  ]);
});

Deno.test("transition() fails from every running state, and from no other", () => {
  for (let steps = 0; steps <= WAY.length; steps++) {
    const status = statesOf(WAY.slice(0, steps)).at(-1) ?? IDLE;
    if (!isRunning(status)) {
      assert.throws(() => transition(status, FAILURE), /cannot take "failed"/, status.state);
      continue;
    }
    assert.deepEqual(transition(status, FAILURE), {
      state: "error",
      error: "The archive was cut off",
      code: "integrity",
      progress: null,
    });
  }
});

Deno.test("transition() starts again from idle, ready and error, and never while running", () => {
  fc.assert(fc.property(fc.array(anyEvent), (events) => {
    const status = statesOf(events).at(-1) ?? IDLE;
    const restart = () => transition(status, { kind: "started" });
    if (isRunning(status)) assert.throws(restart, /cannot take "started"/);
    else assert.deepEqual(restart(), { state: "authenticating", error: null, progress: null });
  }));
});

Deno.test("transition() keeps error, code and progress where they belong, whatever happens", () => {
  fc.assert(fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
    let doneBytes = 0;
    for (const { state, error, code, progress } of statesOf(events)) {
      assert.equal(error !== null, state === "error");
      assert.equal(code !== undefined, state === "error");
      assert.equal(progress !== null, state === "decrypting" || state === "loading_images");
      if (progress === null) doneBytes = 0;
      else assert.ok(doneBytes <= progress.doneBytes && progress.doneBytes <= progress.totalBytes);
      doneBytes = progress?.doneBytes ?? 0;
    }
  }));
});

Deno.test("transition() reaches ready only by images that are there", () => {
  fc.assert(fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
    let status = IDLE;
    for (const event of events) {
      const next = statesOf([event], status).at(-1) ?? status;
      if (next.state === "ready" && status.state !== "ready") assert.equal(event.kind, "images_present");
      status = next;
    }
  }));
});
