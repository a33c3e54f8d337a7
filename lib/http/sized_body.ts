import type { Bytes } from "../bytes.ts";
import type { ByteStream } from "../streams.ts";

/**
 * A request body that is streamed and still sent with its `Content-Length`: in chunks of unknown number many servers (all of
 * S3's kind among them) refuse it. `fetch` takes the length of a body from {@link Blob.size} and its bytes from
 * {@link Blob.stream}; the stream must have exactly that many, or the connection is broken off.
 */
export class SizedBody extends Blob {
  readonly #stream: ByteStream;
  readonly #sizeBytes: number;

  constructor(stream: ByteStream, sizeBytes: number) {
    super();
    this.#stream = stream;
    this.#sizeBytes = sizeBytes;
  }

  override get size(): number {
    return this.#sizeBytes;
  }

  override stream(): ByteStream {
    return this.#stream;
  }
}

/** Bytes as a stream of pieces, each announced by `onPiece`, that share their memory: nothing is copied, and `bytes` can be sent once more. */
export function piecesOf(bytes: Bytes, pieceBytes: number, onPiece: () => void): ByteStream {
  let offset = 0;
  return new ReadableStream({ // not a byte stream: that would take the memory of the first piece away, and so of all
    pull(controller) {
      if (offset >= bytes.byteLength) return controller.close();
      onPiece();
      controller.enqueue(bytes.subarray(offset, offset += pieceBytes));
    },
  }, { highWaterMark: 0 });
}
