import assert from "node:assert/strict";
import { ConfigurationError } from "../../../../lib/errors.ts";
import { isExempt, proxyFor } from "../../../../lib/http/proxy.ts";

const EXEMPT: readonly [entries: string, url: string, expected: boolean][] = [
  ["*", "https://example.com", true],
  ["example.com", "https://example.com", true],
  ["example.com", "https://api.example.com", true],
  [".example.com", "https://api.example.com", true],
  [".example.com", "https://example.com", true],
  ["*.example.com", "https://api.example.com", true],
  ["EXAMPLE.com", "https://Example.COM", true],
  ["example.com.", "https://example.com", true],
  ["example.com", "https://badexample.com", false],
  ["example.com", "https://example.com.evil.test", false],
  ["a.test, b.test", "https://b.test", true],
  ["a.test b.test", "https://b.test", true],
  ["", "https://a.test", false],
  [",", "https://a.test", false],
  [".", "https://a.test", false],
  ["example.com:8443", "https://example.com:8443", true],
  ["example.com:8443", "https://example.com", false],
  ["example.com:443", "https://example.com", true],
  ["10.0.0.5", "https://10.0.0.5", true],
  ["10.0.0.5", "https://10.0.0.50", false],
  ["10.0.0.5", "https://x.10.0.0.5.test", false],
  ["10.0.0.0/8", "https://10.200.3.4", true],
  ["10.0.0.0/8", "https://11.0.0.1", false],
  ["10.0.0.0/33", "https://10.0.0.1", false],
  ["10.0.0.0/x", "https://10.0.0.1", false],
  ["10.0.0.0/8", "https://ten.example.com", false],
  ["192.168.1.128/25", "https://192.168.1.127", false],
  ["::1", "https://[2001:db8::1]", false],
  ["2001:db8::1", "https://[2001:DB8:0::1]", true],
  ["[2001:db8::1]", "https://[2001:db8::1]", true],
  ["2001:db8::/32", "https://[2001:db8:5::1]", true],
  ["2001:db8::/32", "https://[2001:db9::1]", false],
  ["5", "https://10.0.0.5", false],
];

for (const [entries, url, expected] of EXEMPT) {
  Deno.test(`isExempt() ${expected ? "exempts" : "does not exempt"} ${url} by "${entries}"`, () => {
    assert.equal(isExempt(new URL(url), entries), expected);
  });
}

const CHOICES: readonly [variables: Record<string, string>, url: string, expected: string | undefined][] = [
  [{}, "https://a.test", undefined],
  [{ HTTPS_PROXY: "http://p.test:3128" }, "https://a.test", "http://p.test:3128/"],
  [{ HTTPS_PROXY: "p.test:3128" }, "https://a.test", "http://p.test:3128/"],
  [{ HTTPS_PROXY: "http://u:p@p.test:3128" }, "https://a.test", "http://u:p@p.test:3128/"],
  [{ https_proxy: "http://low.test:1", HTTPS_PROXY: "http://up.test:1" }, "https://a.test", "http://low.test:1/"],
  [{ ALL_PROXY: "socks5://s.test:1080" }, "https://a.test", "socks5://s.test:1080"],
  [{ HTTP_PROXY: "http://p.test:3128" }, "https://a.test", undefined],
  [{ HTTPS_PROXY: "http://p.test:3128" }, "https://127.0.0.1", undefined],
  [{ HTTPS_PROXY: "http://p.test:3128" }, "https://localhost:8443", undefined],
  [{ HTTPS_PROXY: "http://p.test:3128", NO_PROXY: "a.test" }, "https://a.test", undefined],
  [
    { HTTPS_PROXY: "http://p.test:3128", no_proxy: "b.test", NO_PROXY: "a.test" },
    "https://a.test",
    "http://p.test:3128/",
  ],
];

for (const [variables, url, expected] of CHOICES) {
  Deno.test(`proxyFor() leads ${url} through ${expected ?? "nothing"} with ${JSON.stringify(variables)}`, () => {
    assert.equal(proxyFor(new URL(url), (name) => variables[name])?.href, expected);
  });
}

Deno.test("proxyFor() refuses what is no proxy, and does not repeat it: it may hold a password", () => {
  for (const text of ["ftp://user:s3cret@p.test", "http://", "::s3cret::"]) {
    const proxy = () => proxyFor(new URL("https://a.test"), (name) => name === "HTTPS_PROXY" ? text : undefined);
    assert.throws(proxy, (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.doesNotMatch(error.message, /s3cret/);
      return true;
    });
  }
});
