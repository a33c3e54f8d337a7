import { join } from "node:path";

const NAME = ".filler";
const PIECE_BYTES = 4096;
const PIECES_LIMIT = 64 * 1024;

/** Writes a file until the disk of a folder has not one block left. */
export async function fillDisk(folder: string): Promise<void> {
  using file = await Deno.open(join(folder, NAME), { write: true, create: true });
  const piece = new Uint8Array(PIECE_BYTES);
  for (let count = 0; count < PIECES_LIMIT; count++) {
    if (await file.write(piece).catch(isFull) === undefined) return;
  }
  throw new Error(`The disk of "${folder}" is too large to be filled`);
}

/** Takes away what {@link fillDisk} has written. */
export async function emptyDisk(folder: string): Promise<void> {
  await Deno.remove(join(folder, NAME));
}

function isFull(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ENOSPC") return;
  throw error;
}
