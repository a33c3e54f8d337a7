import assert from "node:assert/strict";
import { isLoopback } from "../../../../lib/http/loopback.ts";

Deno.test("isLoopback() is not taken in by names that look like it", () => {
  assert.deepEqual(["127.0.0.1", "::1", "localhost"].map(isLoopback), [true, true, true]);
  assert.deepEqual(["0.0.0.0", "127.0.0.1.nip.io", "128.0.0.1", "::", ""].map(isLoopback), [
    false,
    false,
    false,
    false,
    false,
  ]);
});
