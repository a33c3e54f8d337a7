import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import type { Fields, Logger } from "../../lib/log.ts";
import { AMBIGUOUS_HEADS, HOSTILE_SEGMENTS, SMUGGLED } from "../support/hostile_requests.ts";
import { filesBelow, OriginSite } from "../support/origin_site.ts";
import { checksumItem, PlatformUser } from "../support/platform_site.ts";
import { rawAnswer, rawHttp } from "../support/raw_http.ts";

const UUID = "00000000-0000-4000-8000-000000000000";
const MIB = 1024 * 1024;

/** An origin whose log is kept: a fault of the program would stand in it. */
async function startOrigin() {
  const logged: { readonly event: string; readonly fields: Fields | undefined }[] = [];
  const note = (event: string, fields?: Fields) => void logged.push({ event, fields });
  const log: Logger = { debug: note, info: note, warning: note, error: note };
  const site = await OriginSite.start({ log });
  return {
    site,
    logged,
    port: Number(new URL(site.url).port),
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
}

/** The origin still works, and no call has found a fault of the program. */
async function assertSound({ site, logged }: Awaited<ReturnType<typeof startOrigin>>): Promise<void> {
  const faults = logged.filter(({ event }) => event === "request_failed");
  assert.deepEqual(faults, []);
  assert.equal((await site.call("GET", "/health")).status, 200);
}

async function statusOf(port: number, request: string): Promise<number> {
  const answer = await rawAnswer(port, utf8(request)).catch(() => ""); // cut while it is sent: an answer, too
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);
}

Deno.test("no path of an origin leads anywhere else, in whatever way it is written", async () => {
  await using origin = await startOrigin();
  const { site, port } = origin;
  const token = await site.adminToken();
  const { writer } = await site.objectTokens();
  const before = await filesBelow(site.dataDir);
  const call = (method: string, path: string, bearer: string) =>
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${bearer}\r\n` +
    "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
  for (const segment of HOSTILE_SEGMENTS) {
    const calls: [method: string, path: string, bearer: string][] = [
      ["POST", `/resources/${segment}`, token],
      ["POST", `/resources/list/${segment}`, token],
      ["POST", `/resources/clear/${segment}`, token],
      ["POST", `/resources/get/${segment}`, token],
      ["GET", `/v2/resources/${segment}/a`, token],
      ["GET", `/v2/resources/a/${segment}`, token],
      ["POST", `/v2/resources/a/a/versions/${segment}/pin`, token],
      ["POST", `/devices/${segment}/approve`, token],
      ["DELETE", `/users/${segment}`, token],
      ["GET", `/objects/${segment}`, writer],
      ["GET", `/objects/models/${segment}`, writer],
      ["PUT", `/objects/${segment}/a`, writer],
      ["DELETE", `/objects/models/${segment}`, writer],
      ["GET", `/api/files/_outputs/${segment}`, token],
      ["GET", `/api/v1/runs/${segment}`, token],
      ["GET", `/api/v1/runs/${UUID}/items/${segment}`, token],
      ["GET", `/api/v1/applications/${segment}`, token],
      ["GET", `/api/v1/applications/checksum/versions/1.0.0/documents/${segment}`, token],
    ];
    for (const [method, path, bearer] of calls) {
      const status = await statusOf(port, call(method, path, bearer));
      assert.ok(status >= 400 && status < 500, `${status}: ${method} ${path.slice(0, 200)}`);
    }
  }
  assert.deepEqual(await filesBelow(site.dataDir), before, "nothing was made or removed");
  await assertSound(origin);
});

Deno.test("an origin takes no request whose end can be seen in two places, and bounds what it reads of a head", async () => {
  await using origin = await startOrigin();
  for (const head of AMBIGUOUS_HEADS) {
    const outer = `POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${head}\r\n\r\n`;
    const answers = await rawHttp(origin.port, utf8(`${outer}0\r\n\r\n${SMUGGLED}`)).catch(() => "");
    assert.ok(answers.split("HTTP/1.1 ").length <= 2, `${JSON.stringify(head)}: more than one answer`);
    assert.match(answers, /^(HTTP\/1\.1 4|$)/, JSON.stringify(head));
  }
  assert.equal(JSON.stringify(origin.logged).includes("smuggled"), false);
  const head = `X: ${"v".repeat(MIB)}\r\n`;
  const status = await statusOf(
    origin.port,
    `GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${head}\r\n`,
  );
  assert.ok([0, 400, 431].includes(status), String(status));
  await assertSound(origin);
});

Deno.test("an origin reads no more of JSON than it asks for", async () => {
  await using origin = await startOrigin();
  const { site } = origin;
  const user = await PlatformUser.administrator(site);
  const headers = { "content-type": "application/json" };
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
  const deep = `{"application_id":"checksum","items":[],"custom_metadata":${nested(3_000_000)}}`;
  const bodies = [
    ...["[".repeat(60_000), nested(10_000), '{"__proto__":{"email":"a","password":"b"}}', '{"email":{"toString":1}}'],
    ...[
      '{"email":{"length":{"toString":1}},"password":"b"}',
      '{"application_id":"a","items":{"length":{"toString":1}}}',
    ],
    ...["null", "", "\ufeff{}", '"\\ud800"', `{"${"k".repeat(10 * MIB)}":1}`],
  ];
  for (const body of bodies) {
    const { status } = await site.call("POST", "/login", { body, headers });
    assert.ok([400, 413, 422].includes(status), `${status}: ${body.slice(0, 40)}`);
  }
  for (const body of [...bodies, deep]) {
    const { status } = await user.call("POST", "/runs", { body, headers });
    assert.ok([413, 422].includes(status), `${status}: ${body.slice(0, 40)}`);
  }
  assert.equal(Object.hasOwn(Object.prototype, "email"), false);
  await assertSound(origin);
});

Deno.test("an origin refuses forms of too many parts and heads without an end, and stores nothing", async () => {
  await using origin = await startOrigin();
  const { site } = origin;
  const { token } = await site.user("ResourceUploader");
  const before = await filesBelow(site.dataDir);
  const part = (name: string) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\nx\r\n`;
  const file = '--b\r\nContent-Disposition: form-data; name="data"; filename="a.bin"\r\n\r\nx\r\n';
  const forms: readonly (readonly [body: string, status: number])[] = [
    [`${Array.from({ length: 100_000 }, (_, index) => part(`f${index}`)).join("")}--b--\r\n`, 413],
    [`--b\r\n${"X-H: y\r\n".repeat(100_000)}`, 413],
    [`${file}${file}--b--\r\n`, 422],
    [file, 400],
    [`${file.replace("a.bin", "../../a.bin")}--b--\r\n`, 422],
    [`${file.replace("a.bin", "..\\\\a.bin")}--b--\r\n`, 422],
    [`${file.replace("a.bin", "a%00.bin")}--b--\r\n`, 422],
  ];
  for (const [body, status] of forms) {
    const headers = { "content-type": "multipart/form-data; boundary=b" };
    const reply = await site.call("POST", "/resources/models", { token, body, headers });
    assert.equal(reply.status, status, `${body.slice(0, 80)}: ${reply.text}`);
  }
  assert.deepEqual(await filesBelow(site.dataDir), before);
  await assertSound(origin);
});

Deno.test("filters and orders of an origin are no SQL and no program", async () => {
  await using origin = await startOrigin();
  const user = await PlatformUser.administrator(origin.site);
  await user.submit([checksumItem("o'brien", await user.upload("content"))], { custom_metadata: { note: 'a"b' } });
  const count = async (query: Record<string, string>) => {
    const reply = await user.call("GET", `/runs?${new URLSearchParams(query)}`);
    return reply.status === 200 ? reply.json<unknown[]>().length : reply.status;
  };
  const injections = [
    ...["' OR 1=1 --", "'; DROP TABLE platform_runs; --", '" OR ""="', "%", "_", "*", "\\", "\0", "1 UNION SELECT 1"],
    ...[
      "$.note",
      "${7*7}",
      "{{7*7}}",
      "NULL",
      "constructor",
      "__proto__",
      "\ud800",
      "'||(SELECT hex(randomblob(99)))||'",
    ],
  ];
  for (const text of injections) {
    for (const name of ["application_id", "application_version", "external_id", "submitted_by", "organization_id"]) {
      const found = await count({ [name]: text });
      assert.ok([0, 403, 422].includes(found), `${name}=${text}: ${found}`);
    }
    const sorted = await count({ sort: text });
    assert.ok([422].includes(sorted), `sort=${text}: ${sorted}`);
    const filtered = await count({ custom_metadata: `$.note ? (@ == ${JSON.stringify(text)})` });
    assert.ok([0, 422].includes(filtered), `${text}: ${filtered}`);
  }
  assert.equal(await count({ custom_metadata: '$.note ? (@ == "a\\"b")' }), 1);
  assert.equal(await count({ external_id: "o'brien" }), 1);
  for (const pattern of ["(a?){999}".repeat(90), "(".repeat(400), "(a+)+$", "\\1", "[", "a{2,1}"]) {
    const found = await count({ custom_metadata: `$.note ? (@ like_regex ${JSON.stringify(pattern)})` });
    assert.ok([0, 1, 422].includes(found), pattern.slice(0, 40));
  }
  await assertSound(origin);
});
