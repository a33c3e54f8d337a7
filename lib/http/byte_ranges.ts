/** Bytes `[start, end)` of an object. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Reads a `Content-Range` of a partial answer; `undefined` when it is not of that form. @see RFC 9110, section 14.4 */
export function parseContentRange(header: string): Span & { readonly totalBytes: number } | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header);
  if (match === null) return undefined;
  const [start, last, totalBytes] = match.slice(1).map(Number);
  if (start === undefined || last === undefined || totalBytes === undefined) return undefined;
  return start <= last && last < totalBytes ? { start, end: last + 1, totalBytes } : undefined;
}

/** A `Content-Length`; `undefined` when there is none, or it is no number. */
export function parseContentLength(headers: Headers): number | undefined {
  const length = headers.get("content-length");
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

/** A strong ETag without its quotes. A weak one (`W/"…"`) does not vouch for bytes. @see RFC 9110, section 8.8.3 */
export function parseStrongEtag(headers: Headers): string | undefined {
  return /^"([\x21\x23-\x7e]+)"$/.exec(headers.get("etag") ?? "")?.[1];
}
