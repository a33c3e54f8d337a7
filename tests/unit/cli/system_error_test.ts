import assert from "node:assert/strict";
import { systemError } from "../../../cli/system_error.ts";
import { NotFoundError } from "../../../lib/errors.ts";

function thrownBy(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}

Deno.test("systemError() tells a path that cannot be used in a sentence", () => {
  const cases = [
    [() => Deno.mkdirSync("/proc/none"), 'Cannot mkdir "/proc/none": no such file or directory'],
    [() => Deno.openSync("/dev/null/x"), 'Cannot open "/dev/null/x": not a directory'],
    [() => Deno.renameSync("/proc/a", "/proc/b"), 'Cannot rename "/proc/a": no such file or directory'],
    [() => Deno.openSync("/", { write: true }), 'Cannot open "/": is a directory'],
  ] as const;
  for (const [action, message] of cases) {
    const told = systemError(thrownBy(action));
    assert.deepEqual([told?.error.code, told?.error.message], ["usage", message]);
    assert.match(told?.hint ?? "", /who may read and write it/);
  }
});

Deno.test("systemError() tells a full disk, also one that standard output goes to", () => {
  using full = Deno.openSync("/dev/full", { write: true });
  const told = systemError(thrownBy(() => full.writeSync(new Uint8Array(1))));
  assert.deepEqual([told?.error.code, told?.error.message], ["disk_full", "No space left on device"]);
});

Deno.test("systemError() leaves everything else as it is", () => {
  for (const error of [new NotFoundError("x"), new RangeError("x"), "x", Object.assign(new Error("x"), { code: 5 })]) {
    assert.equal(systemError(error), undefined);
  }
});
