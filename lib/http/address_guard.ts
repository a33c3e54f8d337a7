import { BlockList, isIP } from "node:net";

/** How far a connection may lead: to everybody's servers, to those of this site as well, or to this machine as well. */
export type Reach = "public" | "private" | "loopback";

/** Networks of no server that somebody else may name: this machine's neighbours, its cloud's metadata service, and no hosts at all. */
const NEVER: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["169.254.0.0", 16],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  ["168.63.129.16", 32], // Azure's services of a machine
  ["100.100.100.200", 32], // Alibaba's metadata service
  ["::", 128],
  ["64:ff9b:1::", 48], // a site's own translator to IPv4 (RFC 8215): nobody knows where it leads
  ["100::", 64],
  ["2001::", 32], // Teredo: leads to an IPv4 address, too
  ["2001:db8::", 32],
  ["fd00:ec2::254", 128], // Amazon's metadata service
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
];

/** Networks of one site. @see RFC 1918, RFC 4193, RFC 6598 */
const PRIVATE: readonly (readonly [string, number])[] = [
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["fc00::", 7],
];

/** This machine. @see RFC 1122, 3.2.1.3; RFC 4291, 2.5.3 */
const LOOPBACK: readonly (readonly [string, number])[] = [["127.0.0.0", 8], ["::1", 128]];

/** Prefixes of IPv6 that stand for an IPv4 address in their last four bytes. @see RFC 4291, RFC 6052, RFC 2765 */
const EMBEDDED = /^(?:::ffff:(?:0:)?|64:ff9b::|::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;
/** 6to4 carries an IPv4 address behind its prefix. @see RFC 3056 */
const SIX_TO_FOUR = /^2002:([0-9a-f]{1,4}):([0-9a-f]{1,4}):/;

const neverList = listOf(NEVER);
const privateList = listOf(PRIVATE);
const loopbackList = listOf(LOOPBACK);

/** Whether a connection may go to an address that somebody else has named, or that their name stands for. What is no address never. */
export function mayConnect(address: string, reach: Reach): boolean {
  const canonical = canonicalAddress(address);
  if (canonical === undefined) return false;
  const family = isIP(canonical) === 6 ? "ipv6" : "ipv4";
  if (neverList.check(canonical, family)) return false;
  if (loopbackList.check(canonical, family)) return reach === "loopback";
  return reach !== "public" || !privateList.check(canonical, family);
}

/** An address as it is compared: an IPv4 address that hides in an IPv6 one comes out. */
function canonicalAddress(address: string): string | undefined {
  const bare = address.replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  if (isIP(bare) === 0) return undefined;
  if (isIP(bare) === 4) return bare;
  const shortest = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const [, high, low] = EMBEDDED.exec(shortest) ?? SIX_TO_FOUR.exec(shortest) ?? [];
  if (high === undefined || low === undefined || shortest === "::1") return shortest;
  const number = parseInt(high, 16) * 0x10000 + parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

function listOf(networks: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, network.includes(":") ? "ipv6" : "ipv4");
  return list;
}
