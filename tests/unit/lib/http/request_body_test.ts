import assert from "node:assert/strict";
import { utf8 } from "../../../../lib/bytes.ts";
import { requestBody } from "../../../../lib/http/request_body.ts";
import { byteStream, collect } from "../../../../lib/streams.ts";
import { systemClock } from "../../../../lib/system/clock.ts";

const NEVER = new AbortController().signal;
const PAUSE_MS = 10;

/** A body that never keeps still for long, and never ends. */
function drip(): Request {
  const body = byteStream(async () => {
    await systemClock.sleep(PAUSE_MS);
    return utf8(" ");
  });
  return new Request("http://127.0.0.1/", { method: "POST", body });
}

Deno.test("requestBody() ends a body that moves, but not in time", async () => {
  const body = requestBody(drip(), 1_000_000, NEVER, { wholeMs: 10 * PAUSE_MS });
  await assert.rejects(collect(body, 1_000_000), { code: "timeout" });
  await systemClock.sleep(2 * PAUSE_MS); // the read that was given up
});

Deno.test("requestBody() fails past its size, whatever was declared", async () => {
  await assert.rejects(collect(requestBody(drip(), 5, NEVER), 1_000_000), { code: "too_large" });
});

Deno.test("requestBody() ends a body that moves, but too slowly", async () => {
  const body = requestBody(drip(), 1_000_000, NEVER, { stallMs: 10 * PAUSE_MS });
  await assert.rejects(collect(body, 1_000_000), { code: "timeout" });
  await systemClock.sleep(2 * PAUSE_MS); // the read that was given up
});
