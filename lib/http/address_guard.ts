import { BlockList, isIPv4 } from "node:net";
import { bareHost } from "./host_text.ts";
import { dottedAddress, ipv6Groups } from "./ipv6_groups.ts";

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

/** Six groups in front of an IPv4 address in the last two. @see RFC 4291, RFC 6052, RFC 2765 */
const EMBEDDED: ReadonlySet<string> = new Set([
  [0, 0, 0, 0, 0, 0xffff],
  [0, 0, 0, 0, 0xffff, 0],
  [0x64, 0xff9b, 0, 0, 0, 0],
  [0, 0, 0, 0, 0, 0],
].map((groups) => groups.join()));
/** 6to4 carries an IPv4 address behind its prefix. @see RFC 3056 */
const SIX_TO_FOUR = 0x2002;
/** This machine, and no IPv4 address. */
const LOOPBACK_6 = "0,0,0,0,0,0,0,1";

const neverList = listOf(NEVER);
const privateList = listOf(PRIVATE);
const loopbackList = listOf(LOOPBACK);

/** Whether a connection may go to an address that somebody else has named, or that their name stands for. What is no address never. */
export function mayConnect(address: string, reach: Reach): boolean {
  const canonical = canonicalAddress(address);
  if (canonical === undefined) return false;
  const family = isIPv4(canonical) ? "ipv4" : "ipv6";
  if (neverList.check(canonical, family)) return false;
  if (loopbackList.check(canonical, family)) return reach === "loopback";
  return reach !== "public" || !privateList.check(canonical, family);
}

/** An address as it is compared: an IPv4 address that hides in an IPv6 one comes out. */
function canonicalAddress(address: string): string | undefined {
  const bare = bareHost(address).replace(/%.*$/, "");
  const groups = ipv6Groups(bare);
  if (groups === undefined) return isIPv4(bare) ? bare : undefined;
  if (groups.join() === LOOPBACK_6) return bare;
  if (EMBEDDED.has(groups.slice(0, 6).join())) return dottedAddress(groups[6] ?? 0, groups[7] ?? 0);
  if (groups[0] === SIX_TO_FOUR) return dottedAddress(groups[1] ?? 0, groups[2] ?? 0);
  return bare;
}

function listOf(networks: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, network.includes(":") ? "ipv6" : "ipv4");
  return list;
}
