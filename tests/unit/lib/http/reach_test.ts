import assert from "node:assert/strict";
import { InterruptedError } from "../../../../lib/errors.ts";
import type { Reach } from "../../../../lib/http/address_guard.ts";
import { type HttpClient, httpClient } from "../../../../lib/http/client.ts";
import { type Resolve, withinReach } from "../../../../lib/http/reach.ts";
import { streamOf } from "../../../../lib/streams.ts";
import { testClock } from "../../../support/test_clock.ts";

/** A client that notes whom it was let through to, and how names stand for addresses meanwhile. */
function guarded(reach: Reach, resolve: Resolve, known?: string) {
  const asked: string[] = [];
  const client: HttpClient = (url) => {
    asked.push(url.hostname);
    return Promise.resolve({ status: 200, headers: new Headers(), body: streamOf() });
  };
  const clock = testClock();
  return { asked, clock, http: withinReach(client, { service: "CDN", reach, clock, resolve, known }) };
}

const outOfReach = { name: "ConfigurationError", message: /at an address that none may have/ };

Deno.test("withinReach() lets no call to an address that a server must not name, however it is written", async () => {
  const hosts = [
    ...["169.254.169.254", "[fe80::1]", "0.0.0.0", "[::]", "224.0.0.1", "255.255.255.255", "[::ffff:169.254.169.254]"],
    ...["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "[64:ff9b::a9fe:a9fe]"],
  ];
  const here = ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "017700000001", "[::1]", "[::ffff:7f00:1]", "localhost"];
  const { asked, http } = guarded("private", (host) => Promise.resolve([host]));
  for (const host of [...hosts, ...here]) await assert.rejects(http(new URL(`https://${host}/x`)), outOfReach, host);
  assert.deepEqual(asked, []);
  const local = guarded("loopback", (host) => Promise.resolve([host === "localhost" ? "::1" : host]));
  for (const host of hosts) await assert.rejects(local.http(new URL(`https://${host}/x`)), outOfReach, host);
  for (const host of here) await local.http(new URL(`http://${host}/x`));
  assert.equal(local.asked.length, here.length);
});

Deno.test("withinReach() wants every address of a name within reach, and looks again", async () => {
  let addresses = ["10.0.0.7", "93.184.216.34"];
  const { asked, clock, http } = guarded("private", () => Promise.resolve(addresses));
  const url = new URL("https://cdn.example.com/x");
  await http(url);
  addresses = ["93.184.216.34", "169.254.169.254"]; // the name is bound anew
  clock.advance(31_000);
  await assert.rejects(http(url), outOfReach);
  for (const address of ["127.0.0.1", "::1", "0.0.0.0", "fe80::1"]) {
    addresses = [address];
    await assert.rejects(http(url), outOfReach, address);
  }
  assert.deepEqual(asked, ["cdn.example.com"]);
});

Deno.test("withinReach() looks again when the clock was set back", async () => {
  let addresses = ["93.184.216.34"];
  const { clock, http } = guarded("private", () => Promise.resolve(addresses));
  const url = new URL("https://cdn.example.com/x");
  await http(url);
  addresses = ["169.254.169.254"];
  clock.advance(-3_600_000);
  await assert.rejects(http(url), outOfReach);
});

Deno.test("withinReach() lets the host through that is spoken to anyway", async () => {
  const { asked, http } = guarded("private", () => Promise.resolve(["127.0.1.1"]), "api.example.com");
  await http(new URL("https://api.example.com/x"));
  await assert.rejects(http(new URL("https://other.example.com/x")), outOfReach);
  assert.deepEqual(asked, ["api.example.com"]);
});

Deno.test("withinReach() fails where a name is not known, and leaves the choice to a sandbox that looks none up", async () => {
  const failing = (code: string) => () => Promise.reject(Object.assign(new Error(`getaddrinfo ${code}`), { code }));
  const url = new URL("https://cdn.example.com/x");
  await assert.rejects(guarded("private", failing("ENOTFOUND")).http(url), { name: "UnavailableError" });
  const sandboxed = guarded("private", failing("EPERM"));
  await sandboxed.http(url);
  await assert.rejects(sandboxed.http(new URL("https://169.254.169.254/")), outOfReach);
  assert.deepEqual(sandboxed.asked, ["cdn.example.com"]);
});

Deno.test("withinReach() waits for no name when the caller has gone", async () => {
  const stop = new AbortController();
  const { http } = guarded("private", () => new Promise(() => stop.abort()));
  await assert.rejects(http(new URL("https://cdn.example.com/x"), { signal: stop.signal }), InterruptedError);
});

Deno.test("withinReach() asks the machine's own names: localhost is this machine", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response("here"));
  const url = new URL(`http://localhost:${server.addr.port}/`);
  const rules = { service: "CDN", clock: testClock() } as const;
  const open = await withinReach(httpClient("CDN"), { ...rules, reach: "loopback" })(url);
  assert.equal(open.status, 200);
  await open.body.cancel();
  await assert.rejects(withinReach(httpClient("CDN"), { ...rules, reach: "private" })(url), outOfReach);
});
