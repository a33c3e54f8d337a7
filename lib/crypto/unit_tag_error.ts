import { IntegrityError } from "../errors.ts";

/** Waits for a WebCrypto decryption and tells a wrong tag in our way. @throws {IntegrityError} step `unit-tag` */
export async function checkedTag(opened: Promise<ArrayBuffer>): Promise<ArrayBuffer> {
  try {
    return await opened;
  } catch (error) {
    if (error instanceof DOMException) throw wrongTag();
    throw error;
  }
}

/** All that can be wrong with a unit looks the same from outside. */
export function wrongTag(): IntegrityError {
  const message = "The big part cannot be opened: the key is another one, or the data was cut off or changed";
  return new IntegrityError(message, { step: "unit-tag" });
}
