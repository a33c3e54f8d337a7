import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { PROBLEMS } from "../../../routes/problem.ts";
import { startDevice } from "../../support/device.ts";

const CALLS = [
  "GET /health",
  "GET /status",
  "POST /login",
  "POST /logout",
  "POST /load/{filename}",
  "GET /resources/{folder}/{filename}",
  "POST /upload/{filename}",
  "POST /unlock",
  "GET /unlock/status",
];

async function openApi(flags = {}): Promise<Record<string, Record<string, unknown>>> {
  await using device = await startDevice({ flags });
  return await (await fetch(`${device.url}/openapi.json`)).json();
}

Deno.test("GET /openapi.json is a valid OpenAPI 3.1 document", async () => {
  const { Validator } = await import("@seriousme/openapi-schema-validator");
  const validator = new Validator();
  const result = await validator.validate(await openApi());
  assert.deepEqual([result.valid, result.errors], [true, undefined]);
  assert.equal(validator.version, "3.1");
});

Deno.test("GET /openapi.json has every call, with its problems and the limits that requests are checked by", async () => {
  const document = await openApi();
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, { responses: Record<string, { content?: Record<string, unknown> }> }>)
      .map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation }))
  );
  assert.deepEqual(operations.map(({ name }) => name), CALLS);
  for (const { name, operation } of operations) {
    for (const [status, { content }] of Object.entries(operation.responses)) {
      if (["200", "206", "304", "416"].includes(status)) continue;
      assert.deepEqual(Object.keys(content ?? {}), ["application/problem+json"], `${name} ${status}`);
    }
    if (/load|logout/.test(name)) assert.ok(operation.responses["403"] && operation.responses["401"], name);
  }
  const text = JSON.stringify(document);
  assert.ok(text.includes('"pattern":"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"'));
  assert.ok(text.includes('"maxLength":254'));
});

for (const callerAuth of ["session", "bearer"]) {
  Deno.test(`GET /docs is one page without scripts that shows every call and error, with CALLER_AUTH=${callerAuth}`, async () => {
    await using device = await startDevice({ flags: { "caller-auth": callerAuth } });
    const answer = await fetch(`${device.url}/docs`);
    const html = await answer.text();
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type") ?? "", /^text\/html/);
    const style = html.match(/<style>([^]*)<\/style>/)?.[1] ?? "";
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(style))).toBase64();
    assert.equal(
      answer.headers.get("content-security-policy"),
      `default-src 'none'; style-src 'sha256-${hash}'; frame-ancestors 'none'`,
    );
    for (const call of CALLS) assert.ok(html.includes(`<code>${call}</code>`), call);
    for (const code of Object.keys(PROBLEMS)) assert.ok(html.includes(`id="${code}"`), code);
    assert.ok(html.includes(`curl -X POST ${device.url}/load/detector.onnx`));
    assert.equal(html.includes("Authorization: Bearer $TOKEN"), callerAuth === "bearer");
    assert.doesNotMatch(html, /<script|<img|<link|style=|\son\w+=|src=|undefined|\[object/);
    const links = [...html.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
    for (const id of links) assert.ok(html.includes(`id="${id}"`), id);
  });
}
