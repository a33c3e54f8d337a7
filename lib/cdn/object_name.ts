import { InvalidInputError } from "../errors.ts";

/** A big part is named after its resource and has a suffix, so it may be longer than a resource name. */
const OBJECT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;

/** Which object of a store. */
export interface ObjectName {
  readonly bucket: string;
  readonly key: string;
}

/**
 * The last check before a bucket's or object's name becomes part of a path or URL.
 * @throws {InvalidInputError} unless it is one plain path segment
 */
export function checkObjectName(field: keyof ObjectName, name: string): string {
  if (OBJECT_NAME.test(name) && !name.includes("..")) return name;
  throw new InvalidInputError(field, `The ${field} of a big part is not a valid name`);
}
