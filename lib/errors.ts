/** Every condition that a caller of Tallystick can act on, by name. The edges map it to an HTTP status and to an exit code. */
export type ErrorCode =
  | "usage"
  | "configuration"
  | "malformed"
  | "invalid_input"
  | "unsupported_media_type"
  | "too_large"
  | "method_not_allowed"
  | "not_signed_in"
  | "token_expired"
  | "not_allowed"
  | "not_found"
  | "conflict"
  | "rate_limited"
  | "busy"
  | "upstream"
  | "unavailable"
  | "timeout"
  | "integrity"
  | "disk_full"
  | "disk_failed"
  | "docker"
  | "partial"
  | "interrupted"
  | "internal";

/** Base of all errors that Tallystick raises on purpose: one sentence for a person, one code for a program. */
export class TallyError extends Error {
  /** The condition, for programs. */
  readonly code: ErrorCode;

  /** `message` is one sentence for a person, without secrets. */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The command line asks for something that does not exist. */
export class UsageError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, options?: ErrorOptions) {
    super("usage", message, options);
  }
}

/** One or more settings are missing or wrong; `faults` has a sentence for each. */
export class ConfigurationError extends TallyError {
  /** A sentence for each fault. */
  readonly faults: readonly string[];

  /** The message is all of `faults`, line by line. */
  constructor(faults: readonly string[], options?: ErrorOptions) {
    super("configuration", faults.join("\n"), options);
    this.faults = faults;
  }
}

/** The request cannot be read at all: bad JSON, a cut multipart body. */
export class MalformedError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, options?: ErrorOptions) {
    super("malformed", message, options);
  }
}

/** The request can be read, but a value in it is not allowed; `field` names it. */
export class InvalidInputError extends TallyError {
  /** Name of the wrong value, as the caller knows it. */
  readonly field: string;

  /** `message` is one sentence for a person, without secrets. */
  constructor(field: string, message: string, options?: ErrorOptions) {
    super("invalid_input", message, options);
    this.field = field;
  }
}

/** The body is of a type that this call does not take. */
export class UnsupportedMediaTypeError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, options?: ErrorOptions) {
    super("unsupported_media_type", message, options);
  }
}

/** A body, part or answer is over its limit of `limitBytes`. */
export class TooLargeError extends TallyError {
  /** How much is allowed. */
  readonly limitBytes: number;

  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, limitBytes: number, options?: ErrorOptions) {
    super("too_large", message, options);
    this.limitBytes = limitBytes;
  }
}

/** The address is right, and takes other methods only. */
export class MethodNotAllowedError extends TallyError {
  /** What it takes. */
  readonly methods: readonly string[];

  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, methods: readonly string[], options?: ErrorOptions) {
    super("method_not_allowed", message, options);
    this.methods = methods;
  }
}

/** Nobody is signed in, or the name, password or token is wrong. */
export class NotSignedInError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, options?: ErrorOptions) {
    super("not_signed_in", message, options);
  }
}

/** A token has expired and cannot be renewed. */
export class TokenExpiredError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, options?: ErrorOptions) {
    super("token_expired", message, options);
  }
}

/** Who asks is known, and may not do this. */
export class NotAllowedError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, options?: ErrorOptions) {
    super("not_allowed", message, options);
  }
}

/** The resource, object, image or archive does not exist. */
export class NotFoundError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, options?: ErrorOptions) {
    super("not_found", message, options);
  }
}

/** The state of the other side forbids the call; `reason` is the other side's own number or word, where it gave one. */
export class ConflictError extends TallyError {
  /** The number or word of the other side. */
  readonly reason: string | undefined;

  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, reason?: string, options?: ErrorOptions) {
    super("conflict", message, options);
    this.reason = reason;
  }
}

/** Too many calls; try again after `retryAfterSeconds`. */
export class RateLimitedError extends TallyError {
  /** How long to wait at least. */
  readonly retryAfterSeconds: number;

  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, retryAfterSeconds: number, options?: ErrorOptions) {
    super("rate_limited", message, options);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Everything that could do it is taken, and others wait already; try again after `retryAfterSeconds`. */
export class BusyError extends TallyError {
  /** How long to wait at least. */
  readonly retryAfterSeconds: number;

  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, retryAfterSeconds: number, options?: ErrorOptions) {
    super("busy", message, options);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** A server that we depend on. */
export type Upstream = "API" | "CDN" | "device" | "engine" | "input server" | "update server" | "issuer" | "platform";

/** The API, the CDN or the device answered with something that is not an answer to our call. */
export class UpstreamError extends TallyError {
  /** Who it was. */
  readonly service: Upstream;

  /** `message` is one sentence for a person, without secrets. */
  constructor(service: Upstream, message: string, options?: ErrorOptions) {
    super("upstream", message, options);
    this.service = service;
  }
}

/** The API, the CDN or the device cannot be reached. */
export class UnavailableError extends TallyError {
  /** Who it was. */
  readonly service: Upstream;

  /** `message` is one sentence for a person, without secrets. */
  constructor(service: Upstream, message: string, options?: ErrorOptions) {
    super("unavailable", message, options);
    this.service = service;
  }
}

/** The API, the CDN or the device was reached and then kept silent for too long. */
export class UpstreamTimeoutError extends TallyError {
  /** Who it was. */
  readonly service: Upstream;

  /** `message` is one sentence for a person, without secrets. */
  constructor(service: Upstream, message: string, options?: ErrorOptions) {
    super("timeout", message, options);
    this.service = service;
  }
}

/**
 * The check of format v2 that failed, in the order in which they are made: of the manifest, of the grant, of each unit, of the whole.
 * @see docs/format_v2.md, "What a device checks, and in which order"
 */
export type IntegrityStep =
  | "form"
  | "signature"
  | "expiry"
  | "sequence"
  | "resource"
  | "suite"
  | "architecture"
  | "grant-device"
  | "grant-user"
  | "grant-expiry"
  | "grant-open"
  | "key-commitment"
  | "hash-list"
  | "unit-hash"
  | "unit-tag"
  | "size"
  | "plain-digest";

/** Bytes are not what they must be: wrong key, cut, changed, or halves of different versions. */
export class IntegrityError extends TallyError {
  /** Which check of format v2 failed; v1 has no such steps. */
  readonly step: IntegrityStep | undefined;

  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, { step, ...options }: ErrorOptions & { readonly step?: IntegrityStep } = {}) {
    super("integrity", message, options);
    this.step = step;
  }
}

/** The disk has no room for what must be written. */
export class DiskFullError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, options?: ErrorOptions) {
    super("disk_full", message, options);
  }
}

/** The disk is read-only, or fails: what must be written cannot be. */
export class DiskFailedError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, options?: ErrorOptions) {
    super("disk_failed", message, options);
  }
}

/** The Docker engine is away or refused what it was asked. */
export class DockerError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, options?: ErrorOptions) {
    super("docker", message, options);
  }
}

/** All was done that could be done, but only a part of it ended well; the rest needs a look. */
export class PartialError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message: string, options?: ErrorOptions) {
    super("partial", message, options);
  }
}

/** The person or the system asked to stop. */
export class InterruptedError extends TallyError {
  /** `message` is one sentence for a person, without secrets. */
  constructor(message = "Interrupted", options?: ErrorOptions) {
    super("interrupted", message, options);
  }
}

/** The message of anything that was thrown; never a stack. A refusal of Deno's loses its advice to give more rights. */
export function messageOf(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) {
    return error.message.replace(/^Requires (.*?), (run again|specify).*$/s, "The sandbox of this program refuses $1");
  }
  return error instanceof Error ? error.message : String(error);
}
