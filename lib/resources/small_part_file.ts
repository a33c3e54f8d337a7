import type { Bytes } from "../bytes.ts";
import { IntegrityError, TooLargeError } from "../errors.ts";
import { SMALL_PART_LIMIT_BYTES } from "../split/small_part_v2.ts";
import { readSmallFile } from "../system/files.ts";

/**
 * The small part in a file, unread; `undefined` when there is no such file.
 * @throws {IntegrityError} step `form`: it is larger than any small part
 */
export async function readSmallPartFile(path: string): Promise<Bytes | undefined> {
  try {
    return await readSmallFile(path, SMALL_PART_LIMIT_BYTES);
  } catch (cause) {
    if (!(cause instanceof TooLargeError)) throw cause;
    const message = `"${path}" is no small part: it has more than ${SMALL_PART_LIMIT_BYTES} bytes`;
    throw new IntegrityError(message, { step: "form", cause });
  }
}
