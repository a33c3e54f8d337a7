import assert from "node:assert/strict";
import fc from "fast-check";
import { mayConnect, type Reach } from "../../../../lib/http/address_guard.ts";

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
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
  ],
  ...["fd12::1", "fc00::1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2002:a00::5"],
];
const LOOPBACK = [
  ...["127.0.0.1", "127.255.255.254", "::1", "[::1]", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1"],
  ...["64:ff9b::7f00:1", "2002:7f00:1::", "2002:7f00::"],
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
    "64:ff9b::1234",
    "64:ff9b::",
    "::1234",
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

const REACHES: readonly Reach[] = ["public", "private", "loopback"];

Deno.test("mayConnect() opens the site and this machine only when told to, and others never", () => {
  const cases: readonly (readonly [readonly string[], readonly boolean[]])[] = [
    [OPEN, [true, true, true]],
    [PRIVATE, [false, true, true]],
    [LOOPBACK, [false, false, true]],
    [NEVER, [false, false, false]],
  ];
  for (const [addresses, expected] of cases) {
    for (const address of addresses) {
      assert.deepEqual(REACHES.map((reach) => mayConnect(address, reach)), expected, address);
    }
  }
});

Deno.test("mayConnect() judges an IPv4 address the same in each of its IPv6 forms", () => {
  fc.assert(fc.property(fc.ipV4(), fc.constantFrom(...REACHES), (address, reach) => {
    const bytes = address.split(".").map(Number);
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0"));
    const expected = mayConnect(address, reach);
    const [high, low] = [`${hex[0]}${hex[1]}`, `${hex[2]}${hex[3]}`];
    for (const form of [`::ffff:${address}`, `64:ff9b::${high}:${low}`, `2002:${high}:${low}::1`]) {
      assert.equal(mayConnect(form, reach), expected, form);
    }
  }));
});
