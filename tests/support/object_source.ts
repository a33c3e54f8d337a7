import type { Bytes } from "../../lib/bytes.ts";
import type { ByteSource } from "../../lib/cdn/store.ts";
import { byteStream } from "../../lib/streams.ts";

const PIECE_BYTES = 64 * 1024;

/** What a source does instead of what it says. */
export interface SourceFault {
  /** Its size, where it is not that of its bytes. */
  readonly sizeBytes?: number;
  /** Called before each piece, to fail or to look. */
  readonly onPiece?: (offset: number) => void;
}

/** Bytes in memory as the source of an upload, in pieces of 64 KiB. */
export function sourceOf(
  bytes: Bytes,
  { sizeBytes = bytes.byteLength, onPiece = () => {} }: SourceFault = {},
): ByteSource {
  return {
    sizeBytes,
    open(start = 0, end = bytes.byteLength) {
      let offset = start;
      return Promise.resolve(byteStream(async () => {
        await Promise.resolve();
        onPiece(offset);
        const piece = bytes.slice(offset, Math.min(end, offset + PIECE_BYTES));
        offset += piece.byteLength;
        return piece.byteLength > 0 ? piece : undefined;
      }));
    },
  };
}
