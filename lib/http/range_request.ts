import type { Span } from "./byte_ranges.ts";

/** Blanks are bounded: patterns that may take any number of them in two places next to each other take quadratic time. */
const RANGE = /^bytes=\s{0,8}(\d{0,15})\s{0,8}-\s{0,8}(\d{0,15})\s{0,8}$/i;

/**
 * Which bytes a `Range` header asks for. `undefined`: everything, also for a header that is not understood or asks for
 * several ranges, both of which a server may ignore. `"unsatisfiable"`: no byte of an object of this size is in it.
 * @see RFC 9110, 14.1.2 and 14.2
 */
export function parseRange(header: string | undefined, sizeBytes: number): Span | "unsatisfiable" | undefined {
  const [, first = "", last = ""] = RANGE.exec(header ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  if (first === "") return lastBytes(Number(last), sizeBytes);
  if (last !== "" && Number(last) < Number(first)) return undefined;
  if (Number(first) >= sizeBytes) return "unsatisfiable";
  return { start: Number(first), end: last === "" ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) };
}

function lastBytes(count: number, sizeBytes: number): Span | "unsatisfiable" {
  if (count === 0 || sizeBytes === 0) return "unsatisfiable";
  return { start: Math.max(0, sizeBytes - count), end: sizeBytes };
}
