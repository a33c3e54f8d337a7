import * as errors from "../../lib/errors.ts";

/** One error of each class, with the message "m"; the last is of the base class. */
export const ERROR_SAMPLES: readonly errors.TallyError[] = [
  new errors.UsageError("m"),
  new errors.ConfigurationError(["m"]),
  new errors.MalformedError("m"),
  new errors.InvalidInputError("folder", "m"),
  new errors.UnsupportedMediaTypeError("m"),
  new errors.TooLargeError("m", 1),
  new errors.MethodNotAllowedError("m", ["GET"]),
  new errors.NotSignedInError("m"),
  new errors.TokenExpiredError("m"),
  new errors.NotAllowedError("m"),
  new errors.NotFoundError("m"),
  new errors.ConflictError("m"),
  new errors.RateLimitedError("m", 5),
  new errors.BusyError("m", 5),
  new errors.UpstreamError("API", "m"),
  new errors.UnavailableError("API", "m"),
  new errors.UpstreamTimeoutError("API", "m"),
  new errors.IntegrityError("m"),
  new errors.DiskFullError("m"),
  new errors.DiskFailedError("m"),
  new errors.DockerError("m"),
  new errors.PartialError("m"),
  new errors.InterruptedError("m"),
  new errors.TallyError("internal", "m"),
];
