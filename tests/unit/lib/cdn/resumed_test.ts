import assert from "node:assert/strict";
import { resumed } from "../../../../lib/cdn/resumed.ts";
import { IntegrityError, UnavailableError } from "../../../../lib/errors.ts";
import { type ByteStream, byteStream, collect } from "../../../../lib/streams.ts";
import { keystream } from "../../../support/keystream.ts";
import { testClock } from "../../../support/test_clock.ts";

const BYTES = keystream("resumed", 10_000);
const clock = testClock();

/** The bytes from `start` on, of which only so many come; then the stream fails, or ends where there is no error. */
function cutStream(start: number, countBytes: number, error?: Error): ByteStream {
  const pieces = [BYTES.slice(start, start + countBytes)];
  return byteStream(() => {
    const piece = pieces.shift();
    return piece === undefined && error !== undefined ? Promise.reject(error) : Promise.resolve(piece);
  });
}

Deno.test("resumed() goes on where a stream broke off or ended early, and asks for nothing twice", async () => {
  const starts: number[] = [];
  const open = (start: number) => {
    starts.push(start);
    return Promise.resolve(cutStream(start, 3000, start === 3000 ? undefined : new UnavailableError("CDN", "cut")));
  };
  const stream = resumed(cutStream(0, 3000, new UnavailableError("CDN", "cut")), { sizeBytes: 10_000, open, clock });
  assert.deepEqual(await collect(stream, 20_000), BYTES);
  assert.deepEqual(starts, [3000, 6000, 9000]);
});

Deno.test("resumed() fails after six attempts that brought nothing, and at once where nothing would help", async () => {
  for (
    const [error, attempts] of [[new UnavailableError("CDN", "away"), 5], [new IntegrityError("other"), 0]] as const
  ) {
    let opened = 0;
    const open = () => {
      opened++;
      return Promise.reject(error);
    };
    const stream = resumed(cutStream(0, 3000, error), { sizeBytes: 10_000, open, clock });
    await assert.rejects(collect(stream, 20_000), error);
    assert.equal(opened, attempts);
  }
});

Deno.test("resumed() gives its source back when it is cancelled", async () => {
  const reasons: unknown[] = [];
  const source = byteStream(() => Promise.resolve(BYTES.slice()), (reason) => void reasons.push(reason));
  const open = () => Promise.reject(new Error("asked"));
  const reader = resumed(source, { sizeBytes: 1e9, open, clock }).getReader();
  await reader.read();
  await reader.cancel("enough");
  assert.deepEqual(reasons, ["enough"]);
});
