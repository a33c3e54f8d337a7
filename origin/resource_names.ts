import { parseName } from "../lib/split/names.ts";

const PART_SUFFIX = /\.(small|big)$/;

/**
 * Checks the name of a stored part: a resource name, with `.small` or `.big` behind it or not.
 * @throws {InvalidInputError}
 */
export function parsePartName(field: string, value: string): string {
  parseName(field, value.replace(PART_SUFFIX, ""));
  return value;
}

/** Checks a folder; the empty one is allowed. @throws {InvalidInputError} */
export function parseFolder(value: string | undefined): string {
  return value === undefined || value === "" ? "" : parseName("folder", value);
}
