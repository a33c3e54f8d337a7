import type { Bytes } from "../bytes.ts";
import { InvalidInputError } from "../errors.ts";

/** An age recipient on X25519. Others make headers that no QR code has room for. */
const RECIPIENT_PATTERN = /^age1[02-9ac-hj-np-z]{58}$/;
/** What stands behind the header of an age file without content: the nonce and one tag. */
const EMPTY_PAYLOAD_BYTES = 32;

/** An age header for one recipient, and the file key in it, which becomes the content key. */
export interface RecoveryHeader {
  readonly header: Bytes;
  /** 16 B. Secret. */
  readonly fileKey: Bytes;
}

/**
 * Makes a fresh file key and the age header that gives it to a recovery key: `header ‖ big part` is a file for `age -d`.
 * @throws {InvalidInputError} `recipient` is not an age recipient on X25519 (`age1…`)
 * @see https://age-encryption.org/v1
 */
export async function recoveryHeader(recipient: string): Promise<RecoveryHeader> {
  if (!RECIPIENT_PATTERN.test(recipient)) throw notARecipient();
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  let fileKey: Bytes | undefined;
  try {
    encrypter.addRecipient(recipient);
  } catch (cause) {
    throw notARecipient(cause);
  }
  encrypter.addRecipient({
    wrapFileKey(given) { // gets the file key as every recipient does, and adds nothing to the header
      fileKey = new Uint8Array(given);
      return [];
    },
  });
  const file = new Uint8Array(await encrypter.encrypt(new Uint8Array(0)));
  if (fileKey === undefined) throw new Error("age-encryption has shown no file key");
  return { header: file.slice(0, -EMPTY_PAYLOAD_BYTES), fileKey };
}

/** Does not show what was given: it may be a private key by mistake. */
function notARecipient(cause?: unknown): InvalidInputError {
  const message = "The recovery key is not an age recipient on X25519 (age1…), such as age-keygen prints them";
  return new InvalidInputError("recovery", message, { cause });
}
