import { dottedAddress, ipv6Groups } from "./ipv6_groups.ts";

const MAPPED = "0,0,0,0,0,65535";

/**
 * What counts as one client: an IPv4 address, also where it is written as an IPv6 one, or the first 64 bits of an IPv6 address, whose owner has all that
 * begin with them.
 * @see RFC 4291, 2.5.4 and 2.5.5.2
 */
export function clientNetwork(address: string): string {
  const plain = address.toLowerCase().replace(/%.*$/, "");
  const groups = ipv6Groups(plain);
  if (groups === undefined) return plain;
  const [high = 0, low = 0] = groups.slice(6);
  if (groups.slice(0, 6).join() === MAPPED) return dottedAddress(high, low);
  return `${groups.slice(0, 4).map((group) => group.toString(16)).join(":")}::/64`;
}
