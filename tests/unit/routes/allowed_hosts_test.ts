import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { startDevice, type TestDevice } from "../../support/device.ts";
import { rawHttp } from "../../support/raw_http.ts";

async function ask(device: TestDevice, target: string, ...hosts: readonly string[]): Promise<string> {
  const lines = hosts.map((host) => `Host: ${host}\r\n`).join("");
  const answer = await rawHttp(device.port, utf8(`GET ${target} HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`));
  return answer.split(" ", 2)[1] ?? "";
}

const OWN = [
  "localhost",
  "LOCALHOST",
  "localhost.",
  "127.0.0.1",
  "127.0.0.1:8080",
  "127.8.8.8",
  "[::1]",
  "[::1]:80",
  "localhost:",
];
const FOREIGN = [
  "evil.example",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "10.0.0.1",
  "[2001:db8::1]",
  "evil.example.",
  "xlocalhost",
];
const NO_HOST = [
  "",
  " ",
  "a b",
  "[::1",
  "::1",
  "127.0.0.1:99999",
  "localhost/x",
  "user@localhost",
  "localhost#x",
  "localhost?x",
  "localhost,evil.example",
  "http://localhost",
];

for (const callerAuth of ["session", "bearer"]) {
  Deno.test(`a device on loopback is called by names of loopback only, with CALLER_AUTH=${callerAuth}`, async () => {
    await using device = await startDevice({ flags: { "caller-auth": callerAuth } });
    for (const host of OWN) assert.equal(await ask(device, "/status", host), "200", host);
    for (const host of FOREIGN) assert.equal(await ask(device, "/status", host), "403", host);
    for (const host of NO_HOST) assert.equal(await ask(device, "/status", host), "400", host);
    assert.equal(await ask(device, "/status"), "400", "no Host");
    assert.equal(await ask(device, "/status", "localhost", "evil.example"), "400", "two");
    assert.equal(await ask(device, "/status", "localhost", "localhost"), "400", "twice");
  });
}

Deno.test("a target that names a host itself is looked at as well as the Host header", async () => {
  await using device = await startDevice();
  assert.equal(await ask(device, "http://localhost/status", "localhost"), "200");
  assert.equal(await ask(device, "http://evil.example/status", "localhost"), "403");
  assert.equal(await ask(device, "http://localhost/status", "evil.example"), "403");
});

Deno.test("ALLOWED_HOSTS names further hosts, and nothing but these", async () => {
  await using device = await startDevice({ flags: { "allowed-hosts": "device.example.com,[2001:db8::1]" } });
  for (const host of ["device.example.com", "Device.Example.com:8443", "[2001:db8::1]", "localhost"]) {
    assert.equal(await ask(device, "/status", host), "200", host);
  }
  for (const host of ["example.com", "x.device.example.com"]) {
    assert.equal(await ask(device, "/status", host), "403", host);
  }
});
