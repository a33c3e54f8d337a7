import assert from "node:assert/strict";
import { ERROR_SAMPLES } from "../../support/error_samples.ts";
import { problemOf, PROBLEMS, problemSchema } from "../../../routes/problem.ts";

Deno.test("problemOf() makes a valid problem of every error class, with its code and message", () => {
  assert.deepEqual(new Set(ERROR_SAMPLES.map(({ code }) => code)), new Set(Object.keys(PROBLEMS)));
  for (const error of ERROR_SAMPLES) {
    const problem = problemSchema.parse(problemOf(error));
    assert.deepEqual([problem.code, problem.detail, problem.status], [error.code, "m", PROBLEMS[error.code].status]);
  }
});

Deno.test("problemOf() tells nothing of an error that nobody expected", () => {
  for (const error of [new Error("secret"), "secret", undefined, { code: "not_found", message: "secret" }]) {
    const problem = problemOf(error);
    assert.deepEqual([problem.code, problem.status], ["internal", 500]);
    assert.ok(!JSON.stringify(problem).includes("secret"));
  }
});
