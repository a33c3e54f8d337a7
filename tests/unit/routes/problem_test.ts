import assert from "node:assert/strict";
import * as errors from "../../../lib/errors.ts";
import { problemOf, PROBLEMS, problemSchema } from "../../../routes/problem.ts";

Deno.test("problemOf() makes a valid problem of every error class, with its code and message", () => {
  const made = [
    new errors.UsageError("m"),
    new errors.ConfigurationError(["m"]),
    new errors.MalformedError("m"),
    new errors.InvalidInputError("folder", "m"),
    new errors.UnsupportedMediaTypeError("m"),
    new errors.TooLargeError("m", 1),
    new errors.NotSignedInError("m"),
    new errors.NotAllowedError("m"),
    new errors.NotFoundError("m"),
    new errors.ConflictError("m"),
    new errors.RateLimitedError("m", 5),
    new errors.UpstreamError("API", "m"),
    new errors.UnavailableError("API", "m"),
    new errors.UpstreamTimeoutError("API", "m"),
    new errors.IntegrityError("m"),
    new errors.DiskFullError("m"),
    new errors.DockerError("m"),
    new errors.InterruptedError("m"),
    new errors.TallyError("internal", "m"),
  ];
  assert.deepEqual(new Set(made.map(({ code }) => code)), new Set(Object.keys(PROBLEMS)));
  for (const error of made) {
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
