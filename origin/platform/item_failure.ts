import { DockerError, UnavailableError, UpstreamTimeoutError } from "../../lib/errors.ts";
import { ApplicationFailure, ItemInputError } from "./processor.ts";
import type { ItemFailure } from "./run_queue.ts";

/** What the submitter is told. An unknown error may hold paths of this machine. */
export function failureOf(error: unknown): ItemFailure {
  if (error instanceof ItemInputError) {
    return { reason: "USER_ERROR", errorCode: error.errorCode, message: error.message };
  }
  if (error instanceof ApplicationFailure) {
    return { reason: "SYSTEM_ERROR", errorCode: error.errorCode, message: error.message };
  }
  if (error instanceof DockerError) {
    return { reason: "SYSTEM_ERROR", errorCode: "SYSTEM.ENGINE", message: "The application could not be started" };
  }
  if (error instanceof UnavailableError || error instanceof UpstreamTimeoutError) {
    return { reason: "USER_ERROR", errorCode: "INPUT.NOT_FETCHED", message: "The server of the input broke off" };
  }
  return {
    reason: "SYSTEM_ERROR",
    errorCode: "SYSTEM.UNKNOWN",
    message: "An unknown system error occurred during the item execution",
  };
}
