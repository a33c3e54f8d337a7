import assert from "node:assert/strict";
import { knownCode, problemError } from "../../../cli/device_client.ts";
import { EXIT_CODES } from "../../../cli/exit_codes.ts";
import { RateLimitedError } from "../../../lib/errors.ts";

const NO_HEADERS = new Headers();

Deno.test("problemError() brings every code back", () => {
  for (const code of Object.keys(EXIT_CODES)) {
    const error = problemError(500, NO_HEADERS, JSON.stringify({ code, detail: "It went wrong" }));
    assert.equal(error.code, code);
    assert.equal(error.message, "It went wrong");
  }
});

Deno.test("problemError() goes by the status where the code is missing or unknown", () => {
  const codeOf = (status: number, body: string) => problemError(status, NO_HEADERS, body).code;
  assert.equal(codeOf(401, '{"detail":"x"}'), "not_signed_in");
  assert.equal(codeOf(403, '{"code":"toString"}'), "not_allowed");
  assert.equal(codeOf(404, "<html>"), "not_found");
  assert.equal(codeOf(422, '{"detail":[{"loc":["body"]}]}'), "invalid_input");
  assert.equal(codeOf(500, ""), "upstream");
});

Deno.test("problemError() keeps the pause that a busy device asks for", () => {
  const error = problemError(429, new Headers({ "retry-after": "7" }), '{"code":"rate_limited","detail":"Slow down"}');
  assert.ok(error instanceof RateLimitedError);
  assert.equal(error.retryAfterSeconds, 7);
  const strange = problemError(429, new Headers({ "retry-after": "soon" }), "");
  assert.ok(strange instanceof RateLimitedError);
  assert.equal(strange.retryAfterSeconds, 60, "what is no number of seconds is none");
});

Deno.test("knownCode() takes no word from outside for a code", () => {
  assert.equal(knownCode("docker"), "docker");
  for (const word of ["constructor", "", null, undefined]) assert.equal(knownCode(word), undefined);
});
