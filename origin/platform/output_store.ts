import { createHash } from "node:crypto";
import { Crc32c } from "../../lib/crc32c.ts";
import { TooLargeError } from "../../lib/errors.ts";
import { type ByteStream, watched } from "../../lib/streams.ts";
import type { ObjectFolder } from "../object_store.ts";
import type { JsonObject } from "./request.ts";
import type { StoredOutput } from "./run_queue.ts";
import { PLATFORM_BUCKETS } from "./signed_files.ts";

/** An output as an application gives it. */
export interface ProducedOutput {
  readonly name: string;
  readonly mimeType: string;
  /** What the application says of it. */
  readonly metadata: JsonObject;
  readonly body: ByteStream;
  readonly signal: AbortSignal;
}

const OUTPUT_LIMIT_BYTES = 16 * 1024 ** 3;

/**
 * Stores an output under a name that nobody knows. Its media type, size and checksums come to its metadata.
 * @throws {TooLargeError}, the reason of the signal, and the errors of the body; nothing is stored then
 */
export async function storeOutput(
  objects: ObjectFolder,
  { name, mimeType, metadata, body, signal }: ProducedOutput,
): Promise<StoredOutput> {
  const objectKey = crypto.randomUUID();
  const crc32c = new Crc32c();
  const sha256 = createHash("sha256");
  let sizeBytes = 0;
  const seen = watched(body, {
    look(chunk) {
      signal.throwIfAborted();
      sizeBytes += chunk.byteLength;
      if (sizeBytes > OUTPUT_LIMIT_BYTES) {
        throw new TooLargeError(`The output "${name}" is too large`, OUTPUT_LIMIT_BYTES);
      }
      crc32c.update(chunk);
      sha256.update(chunk);
    },
  });
  await objects.write({ bucket: PLATFORM_BUCKETS.outputs, key: objectKey }, seen);
  return {
    name,
    objectKey,
    metadata: {
      ...metadata,
      media_type: mimeType,
      size_bytes: sizeBytes,
      checksum_base64_crc32c: crc32c.base64(),
      checksum_sha256: sha256.digest("hex"),
    },
  };
}
