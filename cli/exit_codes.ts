import { type ErrorCode, TallyError } from "../lib/errors.ts";

/** Exit code of the process for each condition. Codes are part of the command line's contract: scripts test them. */
export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  usage: 2,
  configuration: 2,
  invalid_input: 2,
  not_signed_in: 3,
  token_expired: 3,
  not_allowed: 4,
  not_found: 5,
  upstream: 6,
  unavailable: 6,
  timeout: 6,
  rate_limited: 6,
  busy: 6,
  integrity: 7,
  disk_full: 8,
  disk_failed: 8,
  docker: 9,
  interrupted: 130,
  malformed: 1,
  unsupported_media_type: 1,
  too_large: 1,
  method_not_allowed: 1,
  conflict: 1,
  partial: 1,
  internal: 1,
};

/** What a person can do about each condition, in one line. */
export const HINTS: Readonly<Record<ErrorCode, string>> = {
  usage: "See the command's --help: it ends with examples.",
  configuration: 'See what is set, and where it comes from, with "tally config".',
  invalid_input: "Correct the value and try again.",
  not_signed_in:
    'Sign in with "tally login" (at the platform) or "tally login --email EMAIL" (on the device); check address and password.',
  token_expired: 'Sign in again with "tally login", or give a newer token.',
  not_allowed: "Sign in with an account whose role may do this, or ask an administrator for the role.",
  not_found: "Check the name or id for typing errors, or publish it first.",
  upstream: "The other side answers, but not as expected: check the address, and the other side's log.",
  unavailable: "Check the address and the network, and that the other side runs.",
  timeout: "The network or the other side is slow: try again.",
  rate_limited: "Wait before you try again.",
  busy: "Wait before you try again, or raise MAX_TRANSFERS on the device.",
  integrity: "The bytes cannot be trusted: load them again; if it stays so, publish the resource anew.",
  disk_full: "Make room on the disk and try again.",
  disk_failed: "The disk is read-only or fails: see the kernel's log, and mount or replace it.",
  docker: "Check that the Docker engine runs, and DOCKER_HOST.",
  interrupted: "Nothing was left half done; run the command again to go on.",
  malformed: 'One of the two sides speaks another version: compare them with "tally version".',
  unsupported_media_type: 'One of the two sides speaks another version: compare them with "tally version".',
  method_not_allowed: 'One of the two sides speaks another version: compare them with "tally version".',
  too_large: "The other side takes no more than its limit.",
  partial: "See above what did not end well, and why.",
  conflict: "The state of the other side forbids it: see its message.",
  internal: "This is a fault of the program: please report it with the message above.",
};

/** The code of anything that was thrown; whatever is not ours is `internal`. */
export function errorCodeOf(error: unknown): ErrorCode {
  if (error instanceof Deno.errors.NotCapable) return "configuration"; // the program was made for another site
  return error instanceof TallyError ? error.code : "internal";
}
