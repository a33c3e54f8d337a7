import type { MiddlewareHandler } from "hono";
import type { Settings } from "../lib/config/options.ts";
import { MalformedError, NotAllowedError } from "../lib/errors.ts";
import { isLoopback } from "../lib/http/loopback.ts";

const HOST = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:\d{0,5})?$/i;

/**
 * Lets calls through whose `Host`, and whose address where it names a host as well, is one by which the device may be called. A browser sends the name that
 * it has looked up: a foreign name that was pointed at this machine (DNS rebinding) is refused, whatever it leads to.
 * @see RFC 9112, 3.2
 */
export function allowedHosts({ host, allowedHosts = [] }: Pick<Settings, "host" | "allowedHosts">): MiddlewareHandler {
  const isOpen = !isLoopback(host) && allowedHosts.length === 0;
  const isAllowed = (name: string) => isOpen || isLoopback(name) || allowedHosts.includes(name);
  const names = ["localhost", "127.0.0.1", ...allowedHosts].join(" or ");
  return async (c, next) => {
    for (const name of namesOf(c.req.url, c.req.header("host"))) {
      if (!isAllowed(name)) throw new NotAllowedError(`This device is to be called as ${names}, not as "${name}"`);
    }
    await next();
  };
}

/** HTTP/2 has no `Host`, and is spoken over TLS only; elsewhere a call without one is no HTTP/1.1. */
function namesOf(url: string, host: string | undefined): string[] {
  const named = host ?? (url.startsWith("https:") ? new URL(url).host : "");
  if (!HOST.test(named) || !URL.canParse(`http://${named}`) || !URL.canParse(url)) {
    throw new MalformedError("The Host header is not an address");
  }
  return [new URL(`http://${named}`), new URL(url)].map(({ hostname }) => hostname.replace(/\.$/, ""));
}
