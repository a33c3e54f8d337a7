import { InvalidInputError } from "../errors.ts";

/** Form of a folder or resource name; {@link parseName} forbids `..` besides. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * Checks a folder or resource name before it reaches a path, a URL or a command.
 * @param field what the name is for, as the caller knows it (`folder`, `filename`)
 * @throws {InvalidInputError} unless it matches `[A-Za-z0-9][A-Za-z0-9._-]{0,127}` and has no `..`
 */
export function parseName(field: string, value: string): string {
  if (NAME_PATTERN.test(value) && !value.includes("..")) return value;
  throw new InvalidInputError(
    field,
    `The ${field} is not a valid name: 1 to 128 letters, digits, ".", "_" or "-", beginning with a letter or digit, without ".."`,
  );
}
