/** The conditional headers of a request. */
export interface Conditions {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}

/** Whether the state of an object lets a request go on. */
export type Verdict = "proceed" | "not_modified" | "failed";

const ENTITY_TAG = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g;

/**
 * Decides on `If-Match` (strong comparison), then `If-None-Match` (weak comparison).
 * @param etag of the present object, without quotes; `undefined` when there is none
 * @param onNoneMatch what a failed `If-None-Match` means: `not_modified` for GET and HEAD, `failed` for the others
 * @see RFC 9110, 13.2.2
 */
export function evaluate(
  { ifMatch, ifNoneMatch }: Conditions,
  etag: string | undefined,
  onNoneMatch: Exclude<Verdict, "proceed">,
): Verdict {
  if (ifMatch !== undefined && !matches(ifMatch, etag, "strong")) return "failed";
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, etag, "weak")) return onNoneMatch;
  return "proceed";
}

/** Whether `If-Range` lets a range be sent: only its exact, strong ETag does; a date never does. @see RFC 9110, 13.1.5 */
export function rangeStillHolds(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === `"${etag}"`;
}

function matches(header: string, etag: string | undefined, comparison: "strong" | "weak"): boolean {
  if (etag === undefined) return false;
  if (header.trim() === "*") return true;
  return [...header.matchAll(ENTITY_TAG)].some(([, weak, tag]) =>
    tag === etag && (weak === undefined || comparison === "weak")
  );
}
