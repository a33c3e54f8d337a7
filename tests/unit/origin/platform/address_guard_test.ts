import assert from "node:assert/strict";
import fc from "fast-check";
import { mayFetchFrom } from "../../../../origin/platform/address_guard.ts";

const OPEN = [
  "8.8.8.8",
  "1.1.1.1",
  "172.32.0.1",
  "192.167.255.255",
  "2606:4700::1111",
  "::ffff:8.8.8.8",
  "64:ff9b::808:808",
];
const PRIVATE = [
  ...[
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
  ],
  ...[
    "::1",
    "fd12::1",
    "fc00::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
  ],
];
const NEVER = [
  ...[
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
  ],
  ...[
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
  ],
  ...[
    "2002:a9fe:a9fe::",
    "fd00:ec2::254",
    "64:ff9b:1::7f00:1",
    "2001:0:7f00:1::1",
    "2001:db8::1",
    "",
    "localhost",
    "127.1",
    "0x7f000001",
    "2130706433",
    "1.2.3",
  ],
];

Deno.test("mayFetchFrom() opens private networks only when told to, and others never", () => {
  const cases = [[OPEN, true, true], [PRIVATE, false, true], [NEVER, false, false]] as const;
  for (const [addresses, closed, open] of cases) {
    for (const address of addresses) {
      assert.equal(mayFetchFrom(address, { allowPrivate: false }), closed, address);
      assert.equal(mayFetchFrom(address, { allowPrivate: true }), open, address);
    }
  }
});

Deno.test("mayFetchFrom() judges an IPv4 address the same in each of its IPv6 forms", () => {
  fc.assert(fc.property(fc.ipV4(), fc.boolean(), (address, allowPrivate) => {
    const bytes = address.split(".").map(Number);
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0"));
    const expected = mayFetchFrom(address, { allowPrivate });
    for (const form of [`::ffff:${address}`, `64:ff9b::${hex[0]}${hex[1]}:${hex[2]}${hex[3]}`]) {
      assert.equal(mayFetchFrom(form, { allowPrivate }), expected, form);
    }
  }));
});
