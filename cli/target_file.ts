import { UsageError } from "../lib/errors.ts";
import type { Output } from "./output.ts";

/** What stands for standard output in the place of a file. */
export const STDOUT = "-";

/**
 * Checks, before anything is fetched or opened, that a result can be written to a file.
 * @throws {UsageError} it is a folder, a device, or exists and may not be replaced; or JSON would come into the same output
 */
export async function checkTarget(output: Output, target: string, replaces: boolean): Promise<void> {
  if (target === STDOUT) {
    if (output.json) throw new UsageError("Cannot write both the resource and JSON to standard output: give -o FILE");
    return;
  }
  if (target === "") throw new UsageError("Cannot write to a file without a name: give -o FILE");
  const info = await Deno.lstat(target).catch(() => undefined);
  if (info?.isDirectory) throw new UsageError(`Cannot write "${target}": it is a folder`);
  if (info !== undefined && !info.isFile && !info.isSymlink) { // a file that takes its place would be no device any more
    throw new UsageError(`Cannot write "${target}": it is not a regular file; use -o - for standard output`);
  }
  if (info !== undefined && !replaces) {
    throw new UsageError(`Cannot write "${target}": it exists, and --force is not given`);
  }
}
