import { isIPv6 } from "node:net";

const GROUPS = 8;

/** The eight groups of an IPv6 address without brackets and zone, as numbers; `undefined` for what is none. @see RFC 4291, 2.2 */
export function ipv6Groups(address: string): readonly number[] | undefined {
  if (!isIPv6(address)) return undefined;
  const shortest = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = [], tail = []] = shortest.split("::").map(numbersOf);
  return [...head, ...new Array<number>(GROUPS - head.length - tail.length).fill(0), ...tail];
}

function numbersOf(groups: string): number[] {
  return groups === "" ? [] : groups.split(":").map((group) => parseInt(group, 16));
}

/** The IPv4 address that two groups stand for. */
export function dottedAddress(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}
