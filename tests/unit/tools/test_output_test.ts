import assert from "node:assert/strict";
import { TestOutput } from "../../../tools/test_output.ts";

function shown(lines: readonly string[]): { lines: string[]; unfinished: string | undefined } {
  const kept: string[] = [];
  const output = new TestOutput((line) => void kept.push(line));
  lines.forEach((line) => output.take(line));
  return { lines: kept, unfinished: output.unfinished };
}

Deno.test("TestOutput shows failures and what else was said, not the line of each test", () => {
  const { lines, unfinished } = shown([
    "running 3 tests from ./a_test.ts",
    "good ... ok (720µs)",
    "bad ... FAILED (848µs)",
    "left out ... ignored (0ms)",
    "steps ...",
    "  one ... ok (0ms)",
    "steps ... FAILED (due to 1 failed step) (1ms)",
    "Uncaught error from ./b_test.ts FAILED",
    "",
    " ERRORS ",
    "",
    "bad => ./a_test.ts:3:6",
    "good ... ok (1ms)",
  ]);
  assert.deepEqual(lines, [
    "Uncaught error from ./b_test.ts FAILED",
    " ERRORS ",
    "",
    "bad => ./a_test.ts:3:6",
    "good ... ok (1ms)",
  ]);
  assert.equal(unfinished, undefined);
});

Deno.test("TestOutput knows the test that did not end", () => {
  assert.equal(shown(["good ... ok (1ms)", "bad one ..."]).unfinished, "bad one");
  const warned = "bad one ...'bad one' has been running for over (1m0s)";
  assert.deepEqual(shown([warned]), { lines: [], unfinished: "bad one" });
});
