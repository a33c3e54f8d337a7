const GROUPS = 8;
const NETWORK_GROUPS = 4;
const MAPPED = /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/;

/**
 * What counts as one client: an IPv4 address, also where it is written as an IPv6 one, or the first 64 bits of an IPv6 address, whose owner has all that
 * begin with them.
 * @see RFC 4291, 2.5.4 and 2.5.5.2
 */
export function clientNetwork(address: string): string {
  const plain = address.toLowerCase().replace(/%.*$/, "");
  const [, dotted, high, low] = MAPPED.exec(plain) ?? [];
  if (dotted !== undefined) return dotted;
  if (high !== undefined && low !== undefined) return dottedOf(parseInt(high, 16), parseInt(low, 16));
  return plain.includes(":") ? `${groupsOf(plain).slice(0, NETWORK_GROUPS).join(":")}::/64` : plain;
}

function dottedOf(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

function groupsOf(address: string): string[] {
  const [left = "", right] = address.split("::").map((half) => half.split(":").filter((group) => group !== ""));
  const [head, tail] = [[...left], [...right ?? []]];
  const zeros = right === undefined ? 0 : Math.max(0, GROUPS - head.length - tail.length);
  return [...head, ...new Array<string>(zeros).fill("0"), ...tail].map((group) => group.replace(/^0+(?=.)/, ""));
}
