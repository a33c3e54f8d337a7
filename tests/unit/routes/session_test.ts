import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { accountOf, PASSWORD, startDevice, type TestDevice } from "../../support/device.ts";
import { assertProblem } from "../../support/problem.ts";
import { rawHttp } from "../../support/raw_http.ts";

async function post(device: TestDevice, path: string, body: unknown): Promise<Response> {
  return await fetch(device.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

Deno.test("GET /health answers exactly the same bytes as ever", async () => {
  await using device = await startDevice();
  const answer = await fetch(`${device.url}/health`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "application/json");
  assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), utf8('{"status":"healthy"}'));
  const head = await fetch(`${device.url}/health`, { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
});

Deno.test("POST /login signs in, GET /status shows it, POST /logout ends it", async () => {
  await using device = await startDevice();
  const before = await (await fetch(`${device.url}/status`)).json();
  assert.deepEqual([before.status, before.authenticated, before.modelCacheDir, before.unlock, before.user], [
    ...["healthy", false, "models", "idle", undefined],
  ]);
  const answer = await post(device, "/login", { email: accountOf("Operator"), password: PASSWORD });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("cache-control"), "no-store");
  const { access_token, expires_in, ...rest } = await answer.json();
  assert.deepEqual(rest, { status: "ok", token_type: "Bearer", role: "Operator" });
  assert.equal(access_token, await device.services.session.token());
  assert.ok(expires_in > 4 * 3600 - 60 && expires_in <= 4 * 3600, String(expires_in));
  const during = await (await fetch(`${device.url}/status`)).json();
  assert.deepEqual([during.authenticated, during.user], [true, { email: accountOf("Operator"), role: "Operator" }]);
  assert.deepEqual(await (await post(device, "/logout", {})).json(), { status: "ok" });
  await assertProblem(await post(device, "/logout", {}), 401, "not_signed_in");
});

Deno.test("GET /status names nobody where callers bring tokens", async () => {
  await using device = await startDevice({ flags: { "caller-auth": "bearer" } });
  await device.signIn("Admin");
  const status = await (await fetch(`${device.url}/status`)).json();
  assert.deepEqual([status.authenticated, status.user], [true, undefined]);
});

Deno.test("POST /login tells a wrong password from an API that is away, and logs no password", async () => {
  await using device = await startDevice();
  await device.signIn("Operator");
  const wrong = await post(device, "/login", { email: accountOf("Admin"), password: "wrong password" });
  const problem = await assertProblem(wrong, 401, "not_signed_in");
  assert.equal(problem.detail, "Passwords do not match.");
  assert.equal(device.services.session.user()?.role, "Operator");
  device.api.intercept = () => new Response(null, { status: 503 });
  await assertProblem(await post(device, "/login", { email: "a", password: PASSWORD }), 503, "unavailable");
  device.api.intercept = () => new Response(null, { status: 429, headers: { "retry-after": "30" } });
  const limited = await post(device, "/login", { email: "a", password: PASSWORD });
  assert.equal(limited.headers.get("retry-after"), "30");
  await assertProblem(limited, 429, "rate_limited");
  const log = device.logLines.join("");
  for (const secret of ["wrong password", PASSWORD, "eyJ"]) assert.ok(!log.includes(secret), log);
  assert.match(log, /"path":"\/login","status":401/);
});

const MALFORMED: readonly [string, string, Record<string, string>, number, string][] = [
  ["broken JSON", '{"email":', { "content-type": "application/json" }, 400, "malformed"],
  ["no JSON at all", "\0\0", { "content-type": "application/json" }, 400, "malformed"],
  ["text", "{}", { "content-type": "text/plain" }, 415, "unsupported_media_type"],
  [
    "a form",
    "email=a&password=b",
    { "content-type": "application/x-www-form-urlencoded" },
    415,
    "unsupported_media_type",
  ],
  ["an array", "[]", { "content-type": "application/json" }, 422, "invalid_input"],
  ["null", "null", { "content-type": "application/json" }, 422, "invalid_input"],
  ["a missing field", '{"email":"a"}', { "content-type": "application/json" }, 422, "invalid_input"],
  ["a number", '{"email":1,"password":"x"}', { "content-type": "application/json" }, 422, "invalid_input"],
  [
    "a long field",
    JSON.stringify({ email: "a", password: "x".repeat(1025) }),
    { "content-type": "application/json" },
    422,
    "invalid_input",
  ],
  ["a large body", `"${"x".repeat(64 * 1024)}"`, { "content-type": "application/json" }, 413, "too_large"],
];
for (const path of ["/login", "/unlock"]) {
  Deno.test(`POST ${path} answers every wrong body with its 4xx problem`, async () => {
    await using device = await startDevice();
    for (const [what, body, headers, status, code] of MALFORMED) {
      await assertProblem(await fetch(device.url + path, { method: "POST", body, headers }), status, code, what);
    }
    assert.deepEqual(device.api.calls, []);
  });
}

Deno.test("POST /login names every field that is wrong, and repeats nothing of it", async () => {
  await using device = await startDevice();
  const problem = await assertProblem(
    await post(device, "/login", { email: "", password: ["secret"] }),
    422,
    "invalid_input",
  );
  assert.deepEqual(problem.errors?.map(({ field }) => field), ["email", "password"]);
  assert.ok(!JSON.stringify(problem).includes("secret"));
});

Deno.test("a large body without Content-Length is answered with 413, too", async () => {
  await using device = await startDevice();
  let pieces = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (pieces++ === 200) return controller.close();
      controller.enqueue(utf8(" ".repeat(1024)));
    },
  });
  const headers = { "content-type": "application/json" };
  await assertProblem(await fetch(`${device.url}/login`, { method: "POST", body, headers }), 413, "too_large");
});

Deno.test("calls that there are not are answered with a problem", async () => {
  await using device = await startDevice();
  for (const path of ["/", "/nothing", "/health/x", "/load/", "/load/a/b", "/unlock/status/x"]) {
    await assertProblem(await fetch(device.url + path), 404, "not_found", path);
  }
});

Deno.test("calls with a method that an address does not take are told which it takes", async () => {
  await using device = await startDevice();
  const cases = [["DELETE", "/login", "POST"], ["PUT", "/unlock/status", "GET, HEAD"], ["GET", "/load/a.onnx", "POST"]];
  for (const [method = "", path = "", allowed] of cases) {
    const answer = await fetch(device.url + path, { method });
    assert.equal(answer.headers.get("allow"), allowed, path);
    await assertProblem(answer, 405, "method_not_allowed", path);
  }
});

Deno.test("a device that asks for no token is called as localhost only, so that no foreign host name leads to it", async () => {
  await using device = await startDevice();
  const ask = (host: string) =>
    rawHttp(device.port, utf8(`GET /status HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`));
  for (const host of [`localhost:${device.port}`, "127.0.0.1"]) assert.match(await ask(host), /^HTTP\/1.1 200 /, host);
  for (const host of ["evil.example", "localhost.evil.example", "10.0.0.1"]) {
    assert.match(await ask(host), /^HTTP\/1.1 403 [^]*not_allowed/, host);
  }
});

Deno.test("a Host header that is no address is 400", async () => {
  await using device = await startDevice();
  for (const host of ["a b", "[::1", "127.0.0.1:99999"]) {
    const request = `GET /status HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const answer = await rawHttp(device.port, utf8(request));
    assert.match(answer, /^HTTP\/1.1 400 [^]*"code":"malformed"/, host);
  }
});

for (const callerAuth of ["session", "bearer"]) {
  Deno.test(`POST /login and POST /unlock refuse further guesses of a password with 429, and say when to come again, with CALLER_AUTH=${callerAuth}`, async () => {
    await using device = await startDevice({ flags: { "caller-auth": callerAuth } });
    const guess = { email: accountOf("Operator"), password: "wrong password" };
    for (let i = 0; i < 10; i++) await assertProblem(await post(device, "/login", guess), 401, "not_signed_in");
    for (const path of ["/login", "/unlock"]) {
      const refused = await post(device, path, { ...guess, password: PASSWORD });
      assert.equal(refused.headers.get("retry-after"), "60");
      await assertProblem(refused, 429, "rate_limited");
    }
    assert.equal(device.services.session.user(), undefined);
    assert.deepEqual(await (await fetch(`${device.url}/status`)).json().then((status) => status.status), "healthy");
  });
}

Deno.test("POST /login lets sixty right sign-ins a minute through, and no flood", async () => {
  await using device = await startDevice();
  const account = { email: accountOf("Operator"), password: PASSWORD };
  for (let i = 0; i < 60; i++) {
    const answer = await post(device, "/login", account);
    assert.equal(answer.status, 200, await answer.text());
  }
  const refused = await post(device, "/login", account);
  assert.match(refused.headers.get("retry-after") ?? "", /^[1-5]?\d$|^60$/);
  await assertProblem(refused, 429, "rate_limited");
});

Deno.test("every answer has an id that the log has as well; one that a caller sends counts when it is short and plain", async () => {
  await using device = await startDevice();
  const idFor = async (sent?: string) => {
    const headers: HeadersInit = sent === undefined ? {} : { "x-request-id": sent };
    const answer = await fetch(`${device.url}/nothing`, { headers });
    await answer.body?.cancel();
    return answer.headers.get("x-request-id") ?? "";
  };
  const made = await idFor();
  assert.match(made, /^[0-9a-f-]{36}$/);
  assert.equal(await idFor("job-7_a"), "job-7_a");
  for (const id of ["x".repeat(65), "a b", 'a"', "a;b", "<script>"]) {
    assert.match(await idFor(id), /^[0-9a-f-]{36}$/, id);
  }
  for (const id of [made, "job-7_a"]) {
    assert.ok(device.logLines.some((line) => line.includes(`"requestId":"${id}"`)), id);
  }
});
