import assert from "node:assert/strict";
import * as errors from "../../../lib/errors.ts";
import { type ErrorCode, InterruptedError, messageOf, TallyError } from "../../../lib/errors.ts";

/** One of each class: a class that is missing here fails the test, a code that is missing does not compile. */
const EXAMPLES: Record<ErrorCode, (options: ErrorOptions) => TallyError> = {
  usage: (options) => new errors.UsageError("message", options),
  configuration: (options) => new errors.ConfigurationError(["message"], options),
  malformed: (options) => new errors.MalformedError("message", options),
  invalid_input: (options) => new errors.InvalidInputError("folder", "message", options),
  unsupported_media_type: (options) => new errors.UnsupportedMediaTypeError("message", options),
  too_large: (options) => new errors.TooLargeError("message", 10, options),
  method_not_allowed: (options) => new errors.MethodNotAllowedError("message", ["GET"], options),
  not_signed_in: (options) => new errors.NotSignedInError("message", options),
  partial: (options) => new errors.PartialError("message", options),
  token_expired: (options) => new errors.TokenExpiredError("message", options),
  not_allowed: (options) => new errors.NotAllowedError("message", options),
  not_found: (options) => new errors.NotFoundError("message", options),
  conflict: (options) => new errors.ConflictError("message", "40", options),
  rate_limited: (options) => new errors.RateLimitedError("message", 30, options),
  busy: (options) => new errors.BusyError("message", 30, options),
  upstream: (options) => new errors.UpstreamError("API", "message", options),
  unavailable: (options) => new errors.UnavailableError("CDN", "message", options),
  timeout: (options) => new errors.UpstreamTimeoutError("device", "message", options),
  integrity: (options) => new errors.IntegrityError("message", options),
  disk_full: (options) => new errors.DiskFullError("message", options),
  disk_failed: (options) => new errors.DiskFailedError("message", options),
  docker: (options) => new errors.DockerError("message", options),
  interrupted: (options) => new errors.InterruptedError("message", options),
  internal: (options) => new TallyError("internal", "message", options),
};

const CLASSES = Object.values(errors).filter((value) => typeof value === "function" && /^class /.test(String(value)));

for (const [code, make] of Object.entries(EXAMPLES)) {
  Deno.test(`TallyError: the class of code ${code} keeps code, name, message and cause`, () => {
    const cause = new Error("deeper");
    const error = make({ cause });
    assert.ok(error instanceof TallyError && error instanceof Error);
    assert.equal(error.code, code);
    assert.equal(error.name, error.constructor.name);
    assert.equal(error.message, "message");
    assert.equal(error.cause, cause);
    assert.match(String(error.stack), new RegExp(`^${error.name}: message`));
  });
}

Deno.test("TallyError: every class is walked", () => {
  const walked = new Set<unknown>(Object.values(EXAMPLES).map((make) => make({}).constructor));
  assert.deepEqual(CLASSES.filter((one) => !walked.has(one)), []);
});

Deno.test("TallyError: classes keep their data", () => {
  assert.deepEqual(new errors.ConfigurationError(["a", "b"]).message, "a\nb");
  assert.deepEqual(new errors.ConfigurationError(["a", "b"]).faults, ["a", "b"]);
  assert.equal(new errors.InvalidInputError("folder", "x").field, "folder");
  assert.equal(new errors.TooLargeError("x", 10).limitBytes, 10);
  assert.equal(new errors.ConflictError("x", "40").reason, "40");
  assert.equal(new errors.RateLimitedError("x", 30).retryAfterSeconds, 30);
  assert.equal(new errors.UnavailableError("CDN", "x").service, "CDN");
});

Deno.test("messageOf() gives the message of whatever was thrown", () => {
  assert.equal(messageOf(new InterruptedError()), "Interrupted");
  assert.equal(messageOf("text"), "text");
  assert.equal(messageOf(undefined), "undefined");
});

Deno.test({
  name: "messageOf() says that a sandbox refused, and does not advise to give more rights",
  permissions: { read: false },
  fn: () => {
    assert.throws(() => Deno.readFileSync("/etc/passwd"), (error) => {
      assert.equal(messageOf(error), 'The sandbox of this program refuses read access to "/etc/passwd"');
      return true;
    });
  },
});
