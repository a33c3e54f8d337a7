/** A host as it stands in no URL: an IPv6 address without its brackets. */
export function bareHost(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

/** A host as it stands in a URL: an IPv6 address in brackets. */
export function bracketedHost(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
