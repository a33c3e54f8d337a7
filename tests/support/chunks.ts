import type { Bytes } from "../../lib/bytes.ts";
import { type ByteStream, byteStream } from "../../lib/streams.ts";

/** A stream of these bytes in chunks of one size. */
export function inChunksOf(bytes: Bytes, sizeBytes: number): ByteStream {
  let offset = 0;
  return byteStream(() => {
    const chunk = bytes.slice(offset, offset + sizeBytes);
    offset += sizeBytes;
    return Promise.resolve(offset - sizeBytes < bytes.byteLength ? chunk : undefined);
  });
}
