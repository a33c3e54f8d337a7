import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { startDevice, type TestDevice } from "../support/device.ts";
import { AMBIGUOUS_HEADS, HOSTILE_SEGMENTS, SMUGGLED } from "../support/hostile_requests.ts";
import { rawAnswer, rawHttp } from "../support/raw_http.ts";

const MIB = 1024 * 1024;

/** Status of one raw request; 0 when the connection was cut without an answer. */
async function statusOf(device: TestDevice, request: string): Promise<number> {
  const answer = await rawAnswer(device.port, utf8(request)).catch(() => ""); // cut while it is sent: an answer, too
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);
}

function call(method: string, target: string, head = ""): string {
  return `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n${head}\r\n`;
}

/** The device still works, and no call has found a fault of the program. */
async function assertSound(device: TestDevice): Promise<void> {
  assert.deepEqual(device.logLines.filter((line) => line.includes('"stack"')), []);
  assert.equal(await (await fetch(`${device.url}/health`)).text(), '{"status":"healthy"}');
}

Deno.test("no path of a device leads anywhere else, in whatever way it is written", async () => {
  await using device = await startDevice();
  await device.signIn("ApiAdmin");
  for (const segment of HOSTILE_SEGMENTS) {
    const calls = [
      call("GET", `/resources/models/${segment}`),
      call("GET", `/resources/${segment}/a`),
      call("GET", `/resources/models/a?version=${segment}`),
      call("POST", `/load/${segment}`),
      call("POST", `/upload/${segment}`),
    ];
    for (const request of calls) {
      const status = await statusOf(device, request);
      assert.ok(status === 404 || status === 422, `${status}: ${request.slice(0, 200)}`);
    }
  }
  for (
    const target of [
      "//evil.example/status",
      "/resources//models//a",
      "/health/..;/status",
      "/%2e%2e/%2e%2e/etc/passwd",
    ]
  ) {
    assert.equal(await statusOf(device, call("GET", target)), 404, target);
  }
  assert.equal(device.resources.stagings, 0, "nothing was taken");
  await assertSound(device);
});

Deno.test("a device answers to its own names only, also where the target is a whole address", async () => {
  await using device = await startDevice();
  await device.signIn("Operator");
  for (
    const target of ["http://evil.example/status", "http://127.0.0.1.evil.example/status", "ftp://evil.example/status"]
  ) {
    const status = await statusOf(device, call("GET", target));
    assert.ok(status >= 400 && status < 500, `${target}: ${status}`);
  }
  assert.equal(await statusOf(device, call("GET", "http://localhost/status")), 200);
  const twoHosts = "GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
  assert.ok([400, 403].includes(await statusOf(device, twoHosts)));
  await assertSound(device);
});

Deno.test("a device takes no request whose end can be seen in two places, and answers none that is hidden in another", async () => {
  await using device = await startDevice();
  for (const head of AMBIGUOUS_HEADS) {
    const outer = `POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${head}\r\n\r\n`;
    const answers = await rawHttp(device.port, utf8(`${outer}0\r\n\r\n${SMUGGLED}`)).catch(() => "");
    assert.ok(answers.split("HTTP/1.1 ").length <= 2, `${JSON.stringify(head)}: more than one answer`);
    assert.match(answers, /^(HTTP\/1\.1 4|$)/, JSON.stringify(head));
  }
  assert.deepEqual(device.logLines.filter((line) => line.includes("smuggled")), []);
  await assertSound(device);
});

Deno.test("a device gives no header back that could be more than one, and bounds what it reads of a head", async () => {
  await using device = await startDevice();
  for (const id of ["a".repeat(300), "a b", "<script>", "../x", 'a"b', "\u00e9", "a\tb"]) {
    const answer = await rawAnswer(device.port, utf8(call("GET", "/status", `X-Request-Id: ${id}\r\n`)));
    assert.match(/^x-request-id: (.*)$/im.exec(answer)?.[1] ?? "", /^[0-9a-f-]{36}\r?$/, `${id} is not ours`);
  }
  const many = (count: number, sizeBytes: number) =>
    Array.from({ length: count }, (_, index) => `X-${index}: ${"v".repeat(sizeBytes)}\r\n`).join("");
  for (const head of [many(10_000, 1), many(1, MIB), many(90, 100_000), "X".repeat(MIB)]) {
    const status = await statusOf(device, call("GET", "/status", head));
    assert.ok([0, 400, 431].includes(status), `${head.length} bytes of head: ${status}`);
  }
  const blanks = `Range: bytes=${" ".repeat(30_000)}x\r\n`;
  await device.signIn("Operator");
  assert.equal(await statusOf(device, call("GET", "/resources/models/a", blanks)), 404);
  await assertSound(device);
});

Deno.test("a device reads no more of JSON than it asks for", async () => {
  await using device = await startDevice();
  const post = async (body: string) => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${device.url}/login`, { method: "POST", body, headers });
    await response.body?.cancel();
    return response.status;
  };
  const refused = [400, 413, 422];
  const bombs = [
    ...["[".repeat(60_000), `${"[".repeat(30_000)}${"]".repeat(30_000)}`, '{"a":'.repeat(10_000)],
    `{"email":"a","password":"b","${"k".repeat(10 * MIB)}":1}`,
    `{"email":${"9".repeat(60_000)},"password":"b"}`,
    ...['{"__proto__":{"email":"a","password":"b"}}', '{"constructor":{"prototype":{"email":"a"}},"password":"b"}'],
    ...['{"email":{"length":{"toString":1}},"password":"b"}', '{"email":"a","password":{"length":[{"valueOf":1}]}}'],
    ...['{"email":["a"],"password":{"toString":"b"}}', '"\\ud800"', "\ufeff{}", "null", ""],
  ];
  for (const bomb of bombs) assert.ok(refused.includes(await post(bomb)), bomb.slice(0, 40));
  assert.equal(Object.hasOwn(Object.prototype, "email"), false);
  await assertSound(device);
});

Deno.test("a device refuses forms of too many parts, too long a boundary and heads without an end, and stages nothing", async () => {
  await using device = await startDevice();
  await device.signIn("ResourceUploader");
  const upload = async (body: string, boundary = "b") => {
    const headers = { "content-type": `multipart/form-data; boundary=${boundary}` };
    const response = await fetch(`${device.url}/upload/a`, { method: "POST", body, headers });
    await response.body?.cancel();
    return response.status;
  };
  const part = (name: string) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\nx\r\n`;
  const parts = Array.from({ length: 100_000 }, (_, index) => part(`f${index}`)).join("");
  assert.equal(await upload(`${parts}--b--\r\n`), 413);
  assert.equal(await upload(`${part("folder").repeat(2)}--b--\r\n`), 422);
  const long = "b".repeat(10_000);
  assert.equal(await upload(`--${long}--\r\n`, long), 400);
  assert.equal(await upload(`--b\r\n${"X-H: y\r\n".repeat(100_000)}`), 413);
  assert.equal(await upload(`--b\r\nContent-Disposition: form-data; name="${"n".repeat(MIB)}"`), 413);
  assert.equal(await upload("x".repeat(MIB)), 413);
  assert.equal(await upload(`--b\r\nContent-Disposition: form-data; name="__proto__"\r\n\r\nx\r\n--b--\r\n`), 422);
  assert.equal(device.resources.stagings, 0);
  await assertSound(device);
});
