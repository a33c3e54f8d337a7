import { closeSync, openSync } from "node:fs";

/**
 * A number of files and connections that this process has open at least: a new one gets the lowest number that is free. `Infinity` when no further one
 * can be opened.
 * @param path a file or folder that can be read; where it is not there, nothing is known, and the answer is 0
 */
export function openFileCount(path: string): number {
  try {
    const descriptor = openSync(path, "r");
    closeSync(descriptor);
    return descriptor;
  } catch (error) {
    return error instanceof Error && /too many open files|EMFILE/i.test(error.message) ? Infinity : 0;
  }
}
