import assert from "node:assert/strict";
import type { Bytes } from "../../../../lib/bytes.ts";
import { piecesInFlight } from "../../../../lib/crypto/in_flight.ts";
import { collect } from "../../../../lib/streams.ts";

const LIMIT = 1000;

/** Pieces whose turn to be ready the test decides. */
function manualPieces(count: number) {
  const pieces = Array.from({ length: count }, () => Promise.withResolvers<Bytes>());
  const state = { started: 0, cancelled: undefined as unknown };
  const work = {
    // deno-lint-ignore require-await -- errors must reject
    async start() {
      const piece = pieces[state.started];
      if (piece === undefined) return undefined;
      state.started++;
      return { piece: piece.promise };
    },
    // deno-lint-ignore require-await -- errors must reject
    async cancel(reason: unknown) {
      state.cancelled = reason;
    },
  };
  const finish = (index: number) => pieces[index]?.resolve(Uint8Array.of(index));
  return { pieces, state, work, finish };
}

Deno.test("piecesInFlight() gives pieces in their order, whichever is ready first", async () => {
  const { work, finish } = manualPieces(5);
  const collected = collect(piecesInFlight(3, work), LIMIT);
  for (const index of [2, 1, 0, 4, 3]) finish(index);
  assert.deepEqual(await collected, Uint8Array.of(0, 1, 2, 3, 4));
});

Deno.test("piecesInFlight() starts no more than its limit before the reader takes one", async () => {
  const { work, finish, state } = manualPieces(10);
  for (let index = 0; index < 10; index++) finish(index);
  const reader = piecesInFlight(3, work).getReader();
  assert.equal(state.started, 0);
  await reader.read();
  assert.equal(state.started, 3);
  await reader.read();
  assert.equal(state.started, 4);
  await reader.cancel("enough");
  assert.equal(state.started, 4);
  assert.equal(state.cancelled, "enough");
});

Deno.test("piecesInFlight() fails with the first piece that fails in order, after all before it have left", async () => {
  const { work, finish, pieces, state } = manualPieces(4);
  pieces[2]?.reject(new Error("the third"));
  finish(1);
  pieces[3]?.reject(new Error("the fourth"));
  finish(0);
  const reader = piecesInFlight(4, work).getReader();
  assert.deepEqual((await reader.read()).value, Uint8Array.of(0));
  assert.deepEqual((await reader.read()).value, Uint8Array.of(1));
  await assert.rejects(reader.read(), /the third/);
  assert.match(String(state.cancelled), /the third/);
});

Deno.test("piecesInFlight() lets a failure to start wait for its turn", async () => {
  const { work, finish } = manualPieces(2);
  let calls = 0;
  const failing = {
    ...work,
    start: () => ++calls > 2 ? Promise.reject(new Error("no third")) : work.start(),
  };
  finish(0);
  finish(1);
  const reader = piecesInFlight(4, failing).getReader();
  assert.deepEqual((await reader.read()).value, Uint8Array.of(0));
  assert.deepEqual((await reader.read()).value, Uint8Array.of(1));
  await assert.rejects(reader.read(), /no third/);
  assert.equal(calls, 3, "nothing is started after it");
});

Deno.test("piecesInFlight() hands over what is ready while a later piece waits for its input", async () => {
  const { work, finish, state } = manualPieces(3);
  const input = Promise.withResolvers<undefined>();
  const waiting = {
    ...work,
    start: () => state.started === 2 ? input.promise.then(work.start) : work.start(),
  };
  for (const index of [0, 1, 2]) finish(index);
  const reader = piecesInFlight(3, waiting).getReader();
  assert.deepEqual((await reader.read()).value, Uint8Array.of(0));
  assert.deepEqual((await reader.read()).value, Uint8Array.of(1));
  assert.equal(state.started, 2);
  input.resolve(undefined);
  assert.deepEqual((await reader.read()).value, Uint8Array.of(2));
  assert.equal((await reader.read()).done, true);
});

Deno.test("piecesInFlight() that is given up gives the source up first, which ends a start that waits for its input", async () => {
  const { work, finish, state } = manualPieces(3);
  const input = Promise.withResolvers<undefined>();
  const waiting = {
    start: () => state.started === 1 ? input.promise.then(() => undefined) : work.start(),
    async cancel(reason: unknown) {
      await work.cancel(reason);
      input.resolve(undefined);
    },
  };
  finish(0);
  const reader = piecesInFlight(3, waiting).getReader();
  await reader.read();
  await reader.cancel("enough");
  assert.equal(state.cancelled, "enough");
  assert.equal(state.started, 1);
});
