/** A URL as text without the slash at its end, so that a path can follow. */
export function baseOf(url: URL): string {
  return url.href.replace(/\/+$/, "");
}
