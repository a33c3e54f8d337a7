import assert from "node:assert/strict";
import type { TokenSource } from "../../../../lib/api/calls.ts";
import { ResourceApi } from "../../../../lib/api/client.ts";
import { utf8 } from "../../../../lib/bytes.ts";
import { TallyError } from "../../../../lib/errors.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import { streamOf } from "../../../../lib/streams.ts";
import type { Clock } from "../../../../lib/system/clock.ts";
import { SmallResourceApi } from "../../../support/resource_api.ts";

const EMAIL = "operator@example.com";
const PASSWORD = "correct horse";
const impatientClock: Clock = { now: () => Date.now(), sleep: () => Promise.resolve() };

async function startApi(): Promise<SmallResourceApi> {
  return await SmallResourceApi.start({ [EMAIL]: { password: PASSWORD, role: "Operator" } });
}

function client(api: SmallResourceApi, baseUrl: URL = api.url): ResourceApi {
  const http = httpClient("API");
  const signIn = new ResourceApi({ baseUrl, http, clock: impatientClock });
  let current: string | undefined;
  const tokens: TokenSource = {
    token: async () => current ??= await signIn.login(EMAIL, PASSWORD),
    renew: async () => current = await signIn.login(EMAIL, PASSWORD),
  };
  return new ResourceApi({ baseUrl, http, clock: impatientClock, tokens });
}

async function rejection(promise: Promise<unknown>): Promise<TallyError> {
  const error = await promise.then(() => undefined, (reason) => reason);
  assert.ok(error instanceof TallyError, `expected a TallyError, got ${error}`);
  return error;
}

function answersOnce(api: SmallResourceApi, pathname: string, answer: () => Response): void {
  api.intercept = (request) => {
    if (new URL(request.url).pathname !== pathname) return undefined;
    api.intercept = () => undefined;
    return answer();
  };
}

function answersAlways(api: SmallResourceApi, pathname: string, answer: () => Response): void {
  api.intercept = (request) => new URL(request.url).pathname === pathname ? answer() : undefined;
}

Deno.test("ResourceApi speaks every call of the wire", async () => {
  await using api = await startApi();
  const resources = client(api);
  assert.deepEqual(await resources.currentUser(), { id: `id-${EMAIL}`, email: EMAIL, role: "Operator" });
  await resources.uploadResource({ folder: "models", name: "a b.small", data: utf8("small part") });
  assert.deepEqual(await resources.listResources("models"), ["a b.small"]);
  const request = { name: "a b.small", password: PASSWORD, hardware: "hardware" };
  const bytes = await resources.getResource({ ...request, folder: "models" });
  assert.equal(new TextDecoder().decode(bytes), "small part");
  await resources.checkHardware("hardware");
  assert.deepEqual(await resources.keyFragment(), api.keyFragment);
});

Deno.test("ResourceApi reads from the empty folder", async () => {
  await using api = await startApi();
  api.resources.set("/cdn.yaml", utf8("host: file:///media/usb"));
  const bytes = await client(api).getResource({ folder: "", name: "cdn.yaml", password: PASSWORD, hardware: "h" });
  assert.equal(bytes.byteLength, 23);
  assert.ok(api.calls.includes("POST /resources/get/"), api.calls.join());
});

Deno.test("ResourceApi keeps the path of its base URL and encodes every part of its own", async () => {
  await using api = await startApi();
  const resources = client(api, new URL("/v1/?x=1#y", api.url));
  api.intercept = () => Response.json(["x"]);
  const tokens: TokenSource = { token: () => Promise.resolve("t"), renew: () => Promise.resolve("t") };
  const direct = new ResourceApi({
    baseUrl: new URL("/v1/?x=1#y", api.url),
    http: httpClient("API"),
    clock: impatientClock,
    tokens,
  });
  assert.deepEqual(await direct.listResources("a/b?c#d%2f"), ["x"]);
  assert.deepEqual(api.calls, ["POST /v1/resources/list/a%2Fb%3Fc%23d%252f"]);
  await assert.rejects(direct.listResources(".."), TypeError);
  await assert.rejects(resources.login(EMAIL, PASSWORD), { code: "upstream" });
});

Deno.test("ResourceApi.login() gives the server's sentence when it refuses, with 409 or 401", async () => {
  await using api = await startApi();
  const wrong = await rejection(client(api).login(EMAIL, "wrong"));
  assert.deepEqual([wrong.code, wrong.message], ["not_signed_in", "Passwords do not match."]);
  answersOnce(api, "/login", () => Response.json({ message: "Who\u0007 are\r\nyou?  " }, { status: 401 }));
  const other = await rejection(client(api).login(EMAIL, PASSWORD));
  assert.deepEqual([other.code, other.message], ["not_signed_in", "Who are you?"]);
  answersOnce(api, "/login", () => Response.json({ Message: "x".repeat(10_000) }, { status: 409 }));
  assert.equal((await rejection(client(api).login(EMAIL, PASSWORD))).message.length, 300);
});

for (const status of [401, 403]) {
  Deno.test(`ResourceApi signs in again once and repeats the call once after ${status}`, async () => {
    await using api = await startApi();
    const resources = client(api);
    answersOnce(api, "/users/current", () => new Response(null, { status }));
    assert.equal((await resources.currentUser()).email, EMAIL);
    assert.equal(api.calls.filter((call) => call === "POST /login").length, 2);

    api.calls.length = 0;
    answersAlways(api, "/users/current", () => new Response(null, { status }));
    const error = await rejection(resources.currentUser());
    assert.equal(error.code, status === 401 ? "not_signed_in" : "not_allowed");
    assert.deepEqual(api.calls, ["GET /users/current", "POST /login", "GET /users/current"]);
  });
}

Deno.test("ResourceApi without tokens calls nothing but login", async () => {
  await using api = await startApi();
  const resources = new ResourceApi({ baseUrl: api.url, http: httpClient("API"), clock: impatientClock });
  assert.equal((await rejection(resources.keyFragment())).code, "not_signed_in");
  assert.deepEqual(api.calls, []);
});

Deno.test("ResourceApi keeps the number and the sentence of a business error", async () => {
  await using api = await startApi();
  const request = { folder: "models", name: "absent.small", password: PASSWORD, hardware: "h" };
  const error = await rejection(client(api).getResource(request));
  assert.deepEqual({ ...error, message: error.message }, {
    name: "ConflictError",
    code: "conflict",
    message: "Wrong resource file name.",
    reason: "50",
  });
  await client(api).checkHardware("first");
  assert.equal((await rejection(client(api).checkHardware("second"))).code, "conflict");
});

const REFUSALS = [
  { status: 404, code: "not_found" },
  { status: 400, code: "upstream" },
  { status: 302, code: "upstream" },
  { status: 429, code: "rate_limited" },
] as const;
for (const { status, code } of REFUSALS) {
  Deno.test(`ResourceApi turns status ${status} into ${code}, without a repeat`, async () => {
    await using api = await startApi();
    answersAlways(api, "/users/current", () => new Response("no", { status, headers: { "retry-after": "7" } }));
    const error = await rejection(client(api).currentUser());
    assert.equal(error.code, code);
    if ("retryAfterSeconds" in error) assert.equal(error.retryAfterSeconds, 7);
    assert.equal(api.calls.filter((call) => call === "GET /users/current").length, 1);
  });
}

Deno.test("ResourceApi repeats after 5xx and gives up after three calls", async () => {
  await using api = await startApi();
  const resources = client(api);
  answersOnce(api, "/users/current", () => new Response("<h1>Bad gateway</h1>", { status: 502 }));
  assert.equal((await resources.currentUser()).email, EMAIL);
  answersAlways(api, "/users/current", () => new Response(null, { status: 500 }));
  api.calls.length = 0;
  assert.equal((await rejection(resources.currentUser())).code, "unavailable");
  assert.equal(api.calls.length, 3);
});

Deno.test("ResourceApi asks again for an answer that breaks off", async () => {
  await using api = await startApi();
  let answers = 0;
  answersAlways(api, "/users/current", () => {
    answers++;
    const cut = new Response(streamOf(utf8('{"Id":"1","Em')), { headers: { "content-length": "100" } });
    return answers < 3 ? cut : Response.json({ Id: "1", Email: EMAIL, Role: "Operator" });
  });
  assert.equal((await client(api).currentUser()).email, EMAIL);
  assert.equal(answers, 3);
});

Deno.test("ResourceApi says that an API which is gone is unavailable", async () => {
  const api = await startApi();
  const resources = client(api);
  await api[Symbol.asyncDispose]();
  assert.equal((await rejection(resources.login(EMAIL, PASSWORD))).code, "unavailable");
});

const html = () =>
  new Response("<html>Sign in to the hotel's network</html>", { headers: { "content-type": "text/html" } });
const STRANGE: readonly [string, string, () => Response, (resources: ResourceApi) => Promise<unknown>][] = [
  ["a web page for JSON", "/users/current", html, (resources) => resources.currentUser()],
  ["a web page for bytes", "/binary-split/key-fragment", html, (resources) => resources.keyFragment()],
  ["a web page for nothing", "/resources/check", html, (resources) => resources.checkHardware("h")],
  ["no token", "/login", () => Response.json({ tokens: 1 }), (resources) => resources.login(EMAIL, PASSWORD)],
  ["names that are none", "/resources/list/x", () => Response.json([1]), (resources) => resources.listResources("x")],
  [
    "an endless JSON",
    "/users/current",
    () => new Response(`"${"x".repeat(1024 * 1024)}"`),
    (resources) => resources.currentUser(),
  ],
  [
    "a key fragment over 64 KiB",
    "/binary-split/key-fragment",
    () => new Response(new Uint8Array(65537)),
    (resources) => resources.keyFragment(),
  ],
  ["an empty key fragment", "/binary-split/key-fragment", () => new Response(), (resources) => resources.keyFragment()],
];
for (const [what, pathname, answer, call] of STRANGE) {
  Deno.test(`ResourceApi refuses ${what}`, async () => {
    await using api = await startApi();
    answersAlways(api, pathname, answer);
    assert.equal((await rejection(call(client(api)))).code, "upstream");
  });
}

Deno.test("ResourceApi stops when the caller does", async () => {
  await using api = await startApi();
  const hung = Promise.withResolvers<Response>();
  api.intercept = () => hung.promise;
  const controller = new AbortController();
  const call = rejection(client(api).login(EMAIL, PASSWORD, controller.signal));
  while (api.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  controller.abort();
  assert.equal((await call).code, "interrupted");
  hung.resolve(new Response());
});
