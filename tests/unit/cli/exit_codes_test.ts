import assert from "node:assert/strict";
import { errorCodeOf, EXIT_CODES, HINTS } from "../../../cli/exit_codes.ts";
import { ERROR_SAMPLES } from "../../support/error_samples.ts";

const CONTRACT = {
  usage: 2,
  configuration: 2,
  not_signed_in: 3,
  not_allowed: 4,
  not_found: 5,
  unavailable: 6,
  timeout: 6,
  upstream: 6,
  integrity: 7,
  disk_full: 8,
  disk_failed: 8,
  docker: 9,
  interrupted: 130,
  internal: 1,
} as const;

Deno.test("EXIT_CODES keeps the contract of the command line", () => {
  for (const [code, exitCode] of Object.entries(CONTRACT)) {
    assert.equal(EXIT_CODES[code as keyof typeof CONTRACT], exitCode, code);
  }
});

Deno.test("EXIT_CODES never takes a failure for a success", () => {
  for (const [code, exitCode] of Object.entries(EXIT_CODES)) assert.ok(exitCode > 0 && exitCode < 256, code);
});

Deno.test("HINTS has one line with a full stop for each condition", () => {
  assert.deepEqual(Object.keys(HINTS).sort(), Object.keys(EXIT_CODES).sort());
  for (const [code, hint] of Object.entries(HINTS)) assert.match(hint, /^[A-Z][^\n]+\.$/, code);
});

Deno.test("errorCodeOf() knows the code of every error class", () => {
  const codes = ERROR_SAMPLES.map(errorCodeOf);
  assert.deepEqual(codes.sort(), Object.keys(EXIT_CODES).sort());
});

Deno.test("errorCodeOf() takes anything foreign for a fault of the program", () => {
  assert.equal(errorCodeOf(new RangeError("m")), "internal");
  assert.equal(errorCodeOf(Object.assign(new Error("m"), { code: "docker" })), "internal");
  assert.equal(errorCodeOf("text"), "internal");
  assert.equal(errorCodeOf(new Deno.errors.NotCapable("m")), "configuration");
});
