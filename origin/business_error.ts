import { ConflictError } from "../lib/errors.ts";

/**
 * Numbers of the errors that the Resource API answers with status 409 and `{ErrorCode, Message}`. Clients show the
 * message and may act on the number, so a number never changes its meaning.
 */
export const BUSINESS_ERRORS = {
  /** Administration of an account that does not exist. */
  NoEmailFound: 10,
  /** There is already an account with this e-mail address. */
  EmailExists: 20,
  /** Sign-in: the e-mail address or the password is wrong; which of them is not said. */
  WrongPassword: 30,
  /** A new password is too short or too long. */
  PasswordLengthIncorrect: 32,
  /** A new e-mail address is too long. */
  EmailLengthIncorrect: 35,
  /** A new e-mail address is none. */
  WrongEmail: 37,
  /** The password is right, but the account is disabled. */
  UserDisabled: 38,
  /** The account is bound to another device. */
  HardwareIdMismatch: 40,
  /** The hardware string is empty. */
  BadHardware: 45,
  /** The form has no file in the field `data`. */
  NoFileProvided: 60,
  /** The role is none of the table. */
  WrongRole: 70,
  /** The last enabled ApiAdmin would be removed, disabled or demoted. */
  LastAdministrator: 80,
  /** A manifest has no higher `seq` than the versions before it. */
  SequenceNotNewer: 90,
  /** There is another manifest under this version. */
  VersionExists: 91,
  /** The account has enrolled as many devices as it may. */
  TooManyDevices: 92,
} as const;

/** Name of a business error. */
export type BusinessErrorName = keyof typeof BUSINESS_ERRORS;

/** A rule of the Resource API forbids the call. */
export class BusinessError extends ConflictError {
  readonly errorCode: number;

  constructor(name: BusinessErrorName, message: string) {
    super(message, name);
    this.errorCode = BUSINESS_ERRORS[name];
  }
}
