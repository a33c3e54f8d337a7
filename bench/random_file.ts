import { byteStream } from "../lib/streams.ts";
import { writeStream } from "../lib/system/atomic_file.ts";

const PIECE_BYTES = 64 * 1024; // what getRandomValues gives at once

/** Writes a file that nothing can compress. */
export async function writeRandomFile(path: string, sizeBytes: number): Promise<void> {
  let left = sizeBytes;
  await writeStream(
    path,
    byteStream(() => {
      const piece = crypto.getRandomValues(new Uint8Array(Math.min(PIECE_BYTES, left)));
      left -= piece.byteLength;
      return Promise.resolve(piece.byteLength > 0 ? piece : undefined);
    }),
  );
}
