import { UsageError } from "../lib/errors.ts";

/** The number of a flag's text, at least `least`. @throws {UsageError} */
export function numberFlag(flag: string, text: string, least: number): number {
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= Number.MAX_SAFE_INTEGER) return number;
  throw new UsageError(`"${text}" of ${flag} is not a number of at least ${least}`);
}
