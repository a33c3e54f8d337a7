import { BlockList, isIP } from "node:net";
import { ConfigurationError } from "../errors.ts";
import type { Environment } from "../system/environment.ts";
import { bareHost } from "./host_text.ts";
import { isLoopback } from "./loopback.ts";

/** Variables that name a proxy, by the scheme of what is asked for; the strongest first. */
export const PROXY_VARIABLES: Readonly<Record<string, readonly string[]>> = {
  "http:": ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
  "https:": ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
};
/** Variables that name what goes past every proxy. */
export const EXEMPT_VARIABLES = ["no_proxy", "NO_PROXY"] as const;

const SCHEMES: ReadonlySet<string> = new Set(["http:", "https:", "socks5:", "socks5h:"]);

/**
 * The proxy through which an address is reached, with the name and password that its URL may hold; `undefined` when it is
 * reached directly, as everything on this machine is.
 * @throws {ConfigurationError} the variable does not hold the address of a proxy
 */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const name = PROXY_VARIABLES[url.protocol]?.find((candidate) => environment(candidate) !== undefined);
  if (name === undefined || isLoopback(url.hostname)) return undefined;
  const exempt = EXEMPT_VARIABLES.map(environment).find((text) => text !== undefined);
  return exempt !== undefined && isExempt(url, exempt) ? undefined : parseProxy(name, environment(name) ?? "");
}

function parseProxy(name: string, text: string): URL {
  const address = text.includes("://") ? text : `http://${text}`;
  const proxy = URL.canParse(address) ? new URL(address) : undefined;
  if (proxy !== undefined && SCHEMES.has(proxy.protocol) && proxy.hostname !== "") return proxy;
  throw new ConfigurationError([`${name} is not the address of a proxy, such as http://proxy.example.com:3128`]);
}

/**
 * Whether `NO_PROXY` exempts an address. Its entries, with commas or spaces, are `*` for all; a name, for itself and what is
 * below it, with or without `.` or `*.` before it; an IP address; or a block of them such as `10.0.0.0/8`. An entry may end
 * with a port. Capitals make no difference.
 */
export function isExempt({ hostname, port, protocol }: URL, entries: string): boolean {
  const host = bareHost(hostname.toLowerCase()).replace(/\.$/, "");
  const number = port || (protocol === "https:" ? "443" : "80");
  return entries.toLowerCase().split(/[\s,]+/).filter((entry) => entry !== "").some((entry) =>
    matches(host, number, entry)
  );
}

function matches(host: string, port: string, entry: string): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return isIP(host) !== 0 && isInBlock(host, entry);
  const [, name = "", entryPort] = /^(\[[^\]]*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (entryPort !== undefined && entryPort !== port) return false;
  const wanted = bareHost(name).replace(/^\*?\./, "").replace(/\.$/, "");
  if (wanted === "") return false;
  if (isIP(wanted) !== 0) return sameAddress(host, wanted);
  return host === wanted || isIP(host) === 0 && host.endsWith(`.${wanted}`);
}

function isInBlock(host: string, block: string): boolean {
  const [network = "", bits = ""] = block.replace(/[\[\]]/g, "").split("/");
  const longest = isIP(network) === 4 ? 32 : 128;
  if (isIP(network) === 0 || isIP(network) !== isIP(host) || !/^\d{1,3}$/.test(bits) || Number(bits) > longest) {
    return false;
  }
  const list = new BlockList();
  list.addSubnet(network, Number(bits), familyOf(network));
  return list.check(host, familyOf(host));
}

function sameAddress(host: string, other: string): boolean {
  if (isIP(host) !== isIP(other)) return false;
  const list = new BlockList();
  list.addAddress(other, familyOf(other));
  return list.check(host, familyOf(host));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 4 ? "ipv4" : "ipv6";
}
