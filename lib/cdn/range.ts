import type { Span } from "../http/byte_ranges.ts";
import type { ByteRange } from "./store.ts";

/**
 * Which bytes of an object a range means; none when it begins at or past the end.
 * @throws {RangeError} when a number is negative or not whole
 */
export function resolveRange(range: ByteRange | undefined, totalBytes: number): Span {
  if (range === undefined) return { start: 0, end: totalBytes };
  checkRange(range);
  if ("last" in range) return { start: Math.max(0, totalBytes - range.last), end: totalBytes };
  const start = Math.min(range.start, totalBytes);
  return { start, end: Math.max(start, Math.min(range.end ?? totalBytes, totalBytes)) };
}

/** Whether a range holds no byte of any object; HTTP has no words for such a range. */
export function isEmptyRange(range: ByteRange | undefined): boolean {
  if (range === undefined) return false;
  checkRange(range);
  return "last" in range ? range.last === 0 : range.end !== undefined && range.end <= range.start;
}

/** The value of a `Range` header, for a range that is not empty. @see RFC 9110, section 14.1.2 */
export function rangeHeader(range: ByteRange): string {
  if ("last" in range) return `bytes=-${range.last}`;
  return `bytes=${range.start}-${range.end === undefined ? "" : range.end - 1}`;
}

function checkRange(range: ByteRange): void {
  const numbers = "last" in range ? [range.last] : [range.start, range.end ?? range.start];
  if (numbers.every((number) => Number.isSafeInteger(number) && number >= 0)) return;
  throw new RangeError("A byte range consists of whole numbers from 0 on");
}
