import { statfs } from "node:fs/promises";
import { formatSize } from "../bytes.ts";
import { DiskFullError } from "../errors.ts";

/** Bytes that this process may still write below a folder that is there. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** @throws {DiskFullError} when fewer than `neededBytes` can be written below a folder that is there */
export async function requireSpace(folder: string, neededBytes: number): Promise<void> {
  const free = await freeBytes(folder);
  if (free >= neededBytes) return;
  const facts = `${formatSize(neededBytes)} are needed, and ${formatSize(free)} are free`;
  throw new DiskFullError(`Cannot write to "${folder}": ${facts}`);
}
