import { SignInLimit } from "../lib/auth/sign_in_limit.ts";
import type { Clock } from "../lib/system/clock.ts";
import { BUSINESS_ERRORS, BusinessError } from "./business_error.ts";

/** Per minute. Many clients may stand behind one address: that of a proxy. */
const SIGN_INS = { failuresPerAccount: 10, failuresPerClient: 300, callsPerClient: Infinity };

/** The limit of sign-ins with a password at the origin, whichever call they come by: they share one. */
export function signInLimit(clock: Clock): SignInLimit {
  return new SignInLimit(SIGN_INS, isWrongPassword, clock);
}

function isWrongPassword(error: unknown): boolean {
  return error instanceof BusinessError && error.errorCode === BUSINESS_ERRORS.WrongPassword;
}
