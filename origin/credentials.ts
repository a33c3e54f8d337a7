import { BusinessError } from "./business_error.ts";

const EMAIL = /^[^\s@<>"',;:\\/]+@[^\s@<>"',;:\\/]+$/;
const EMAIL_LIMIT = 254; // characters, RFC 5321
const PASSWORD_MINIMUM = 8; // characters, NIST SP 800-63B
const PASSWORD_LIMIT = 128;

/** The form in which e-mail addresses are compared: case does not matter. */
export function emailKey(email: string): string {
  return email.normalize("NFC").toLowerCase();
}

/** @throws {BusinessError} EmailLengthIncorrect, WrongEmail */
export function checkNewEmail(email: string): void {
  if (email.length > EMAIL_LIMIT) {
    throw new BusinessError("EmailLengthIncorrect", `An e-mail address has at most ${EMAIL_LIMIT} characters`);
  }
  if (!EMAIL.test(email)) throw new BusinessError("WrongEmail", "This is not an e-mail address");
}

/** @throws {BusinessError} PasswordLengthIncorrect */
export function checkNewPassword(password: string): void {
  if (password.length >= PASSWORD_MINIMUM && password.length <= PASSWORD_LIMIT) return;
  throw new BusinessError(
    "PasswordLengthIncorrect",
    `A password has ${PASSWORD_MINIMUM} to ${PASSWORD_LIMIT} characters`,
  );
}
