import assert from "node:assert/strict";
import { verifyTrail } from "../../lib/audit/verify_trail.ts";
import { ROLES } from "../../lib/auth/roles.ts";
import { utf8 } from "../../lib/bytes.ts";
import { BUSINESS_ERRORS, type BusinessErrorName } from "../../origin/business_error.ts";
import { fileForm, OriginSite, PASSWORD, type Reply } from "../support/origin_site.ts";

interface User {
  readonly id: string;
  readonly email: string;
  readonly role: string;
  readonly enabled: boolean;
  readonly hardwareHash: string | null;
}

function assertRefused(reply: Reply, name: BusinessErrorName): void {
  assert.equal(reply.status, 409, reply.text);
  const { ErrorCode, Message } = reply.json<{ ErrorCode: number; Message: string }>();
  assert.equal(ErrorCode, BUSINESS_ERRORS[name], reply.text);
  assert.ok(Message.length > 0);
}

Deno.test("origin: POST /login takes keys of any case and gives a token; anything wrong is 409", async () => {
  await using site = await OriginSite.start();
  const { email, password } = site.admin;
  for (
    const json of [{ email, password }, { Email: email, Password: password }, {
      EMAIL: email.toUpperCase(),
      PASSWORD: password,
    }]
  ) {
    const reply = await site.call("POST", "/login", { json });
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(Object.keys(reply.json<object>()), ["token"]);
    assert.equal(reply.headers.get("cache-control"), "no-store");
  }
  assertRefused(await site.call("POST", "/login", { json: { email, password: "wrong" } }), "WrongPassword");
  assertRefused(await site.call("POST", "/login", { json: { email: "no@example.com", password } }), "WrongPassword");
});

Deno.test("origin: the audit trail says who changed what and who was refused, holds no password, and is whole", async () => {
  await using site = await OriginSite.start();
  const operator = await site.user("Operator");
  await site.call("POST", "/login", { json: { email: operator.email, password: "a wrong password" } });
  await site.call("POST", "/devices", { token: operator.token });
  await site.call("GET", "/binary-split/key-fragment", { token: operator.token });
  await site.call("GET", "/users/current", { token: operator.token });
  const folder = `${site.dataDir}/audit`;
  const text = await Deno.readTextFile(`${folder}/audit-000000000001.jsonl`);
  const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.slice(-3).map(({ action, who, role, result }) => [action, who, role, result]), [
    ["POST /login", operator.email, undefined, "WrongPassword"],
    ["POST /devices", operator.email, "Operator", "not_allowed"],
    ["GET /binary-split/key-fragment", operator.email, "Operator", "ok"],
  ]);
  assert.ok(
    lines.some(({ action, who, result }) => action === "POST /users" && who === site.admin.email && result === "ok"),
  );
  for (const secret of [PASSWORD, "a wrong password", operator.token]) assert.ok(!text.includes(secret));
  assert.equal((await verifyTrail(folder)).lines, lines.length);
});

Deno.test("origin: POST /login refuses further guesses of a password with 429, the right one too, and leaves other accounts alone", async () => {
  await using site = await OriginSite.start();
  const other = await site.user("Operator");
  const { email, password } = site.admin;
  for (let i = 0; i < 10; i++) {
    assertRefused(await site.call("POST", "/login", { json: { email, password: `guess ${i}` } }), "WrongPassword");
  }
  const refused = await site.call("POST", "/login", { json: { email, password } });
  assert.equal(refused.status, 429, refused.text);
  assert.equal(refused.headers.get("retry-after"), "60");
  const login = await site.call("POST", "/login", { json: { email: other.email, password: PASSWORD } });
  assert.equal(login.status, 200, login.text);
});

Deno.test("origin: JSON calls refuse other types, broken bodies, missing keys and oversized bodies", async () => {
  await using site = await OriginSite.start();
  const json = { "content-type": "application/json" };
  const cases: readonly [status: number, headers: Record<string, string>, body: BodyInit][] = [
    [415, { "content-type": "text/plain" }, "{}"],
    [415, { "content-type": "application/x-www-form-urlencoded" }, "email=a&password=b"],
    [415, { "content-type": "application/jsonx" }, "{}"],
    [400, json, ""],
    [400, json, "{"],
    [400, json, new Uint8Array([0x7b, 0xff, 0x7d])],
    [422, json, "[]"],
    [422, json, "null"],
    [422, json, '"text"'],
    [422, json, "{}"],
    [422, json, '{"email":"a@example.com"}'],
    [422, json, '{"email":"a@example.com","password":null}'],
    [422, json, '{"__proto__":{"email":"a@example.com","password":"x"}}'],
    [413, json, JSON.stringify({ email: "a@example.com", password: "x".repeat(70_000) })],
    [422, json, JSON.stringify({ email: "a@example.com", password: "x".repeat(5_000) })],
  ];
  for (const [status, headers, body] of cases) {
    const reply = await site.call("POST", "/login", { headers, body });
    assert.equal(reply.status, status, `${JSON.stringify(headers)} ${body}: ${reply.text}`.slice(0, 300));
    assert.match(reply.headers.get("content-type") ?? "", /^application\/problem\+json/);
  }
});

Deno.test("origin: administrators make, find, change and remove accounts", async () => {
  await using site = await OriginSite.start();
  const token = await site.adminToken();
  const created = await site.call("POST", "/users", {
    token,
    json: { Email: "Op@Example.com", Password: PASSWORD, Role: "Operator" },
  });
  const user = created.json<User>();
  assert.deepEqual({ ...user, id: "" }, {
    id: "",
    email: "Op@Example.com",
    role: "Operator",
    enabled: true,
    hardwareHash: null,
  });

  const byNumber = await site.call("POST", "/users", {
    token,
    json: { email: "val@example.com", password: PASSWORD, role: 20 },
  });
  assert.equal(byNumber.json<User>().role, "Validator");

  const emails = async (query: string) =>
    (await site.call("GET", `/users${query}`, { token })).json<User[]>().map(({ email }) => email);
  assert.deepEqual(await emails(""), ["Op@Example.com", "root@example.com", "val@example.com"]);
  assert.deepEqual(await emails("?email=op@&role="), ["Op@Example.com"]);
  assert.deepEqual(await emails("?role=Validator"), ["val@example.com"]);
  assert.deepEqual(await emails("?email=op&role=20"), []);

  const path = `/users/${encodeURIComponent("op@example.com")}`;
  assert.equal((await site.call("PUT", `${path}/set-role/Admin`, { token })).json<User>().role, "Admin");
  assert.equal((await site.call("PUT", `${path}/disable`, { token })).json<User>().enabled, false);
  assertRefused(
    await site.call("POST", "/login", { json: { email: "op@example.com", password: PASSWORD } }),
    "UserDisabled",
  );
  assert.equal((await site.call("PUT", `${path}/enable`, { token })).json<User>().enabled, true);
  await site.signIn("op@example.com");
  assert.equal((await site.call("DELETE", path, { token })).status, 200);
  assertRefused(
    await site.call("POST", "/login", { json: { email: "op@example.com", password: PASSWORD } }),
    "WrongPassword",
  );
});

Deno.test("origin: administration refuses what breaks a rule, with its number", async () => {
  await using site = await OriginSite.start();
  const token = await site.adminToken();
  const user = { email: "op@example.com", password: PASSWORD, role: "Operator" };
  const root = "/users/root@example.com";
  const cases: readonly [BusinessErrorName, method: string, path: string, json?: unknown][] = [
    ["EmailExists", "POST", "/users", { ...user, email: "ROOT@example.com" }],
    ["WrongEmail", "POST", "/users", { ...user, email: "nobody" }],
    ["EmailLengthIncorrect", "POST", "/users", { ...user, email: `${"x".repeat(300)}@example.com` }],
    ["PasswordLengthIncorrect", "POST", "/users", { ...user, password: "short" }],
    ["WrongRole", "POST", "/users", { ...user, role: "Emperor" }],
    ["WrongRole", "POST", "/users", { ...user, role: 11 }],
    ["WrongRole", "GET", "/users?role=Emperor"],
    ["WrongRole", "PUT", `${root}/set-role/constructor`],
    ["NoEmailFound", "PUT", "/users/no@example.com/set-role/Admin"],
    ["NoEmailFound", "PUT", "/users/no@example.com/enable"],
    ["NoEmailFound", "PUT", "/users/no@example.com/disable"],
    ["NoEmailFound", "DELETE", "/users/no@example.com"],
    ["NoEmailFound", "PUT", "/users/hardware/set", { email: "no@example.com", hardware: "x" }],
    ["BadHardware", "PUT", "/users/hardware/set", { email: "root@example.com", hardware: " " }],
    ["LastAdministrator", "DELETE", root],
    ["LastAdministrator", "PUT", `${root}/disable`],
    ["LastAdministrator", "PUT", `${root}/set-role/Operator`],
  ];
  for (const [name, method, path, json] of cases) {
    assertRefused(await site.call(method, path, { token, ...(json === undefined ? {} : { json }) }), name);
  }
  assert.equal((await site.call("GET", "/users", { token })).json<User[]>().length, 1);
});

Deno.test("origin: POST /devices makes a CompanionPC account that can sign in", async () => {
  await using site = await OriginSite.start();
  const token = await site.adminToken();
  interface Device {
    serial: string;
    email: string;
    password: string;
  }
  const first = (await site.call("POST", "/devices", { token })).json<Device>();
  const second = (await site.call("POST", "/devices", { token })).json<Device>();
  assert.deepEqual([first.serial, first.email], ["azj-0001", "azj-0001@azaion.com"]);
  assert.deepEqual([second.serial, second.email], ["azj-0002", "azj-0002@azaion.com"]);
  assert.match(first.password, /^[0-9a-f]{32}$/);
  const device = await site.signIn(first.email, first.password);
  assert.equal((await site.call("GET", "/users/current", { token: device })).json<User>().role, "CompanionPC");
});

Deno.test("origin: a disabled or removed account's token, and a taken role, end at once", async () => {
  await using site = await OriginSite.start();
  const token = await site.adminToken();
  const operator = await site.user("Operator");
  const fragment = () => site.call("GET", "/binary-split/key-fragment", { token: operator.token });
  assert.equal((await fragment()).status, 200);
  await site.call("PUT", `/users/${operator.email}/set-role/NONE`, { token });
  assert.equal((await fragment()).status, 403);
  await site.call("PUT", `/users/${operator.email}/set-role/Operator`, { token });
  await site.call("PUT", `/users/${operator.email}/disable`, { token });
  assert.equal((await fragment()).status, 401);
  await site.call("PUT", `/users/${operator.email}/enable`, { token });
  assert.equal((await fragment()).status, 200);
  await site.call("DELETE", `/users/${operator.email}`, { token });
  assert.equal((await fragment()).status, 401);
});

/** Every call that needs a token, and the weakest roles that may do it. */
const ADMINISTRATION = ["ApiAdmin"];
const READING = ["Operator", "Validator", "CompanionPC", "Admin", "ResourceUploader", "ApiAdmin"];
const ANYBODY = ["NONE", ...READING];
const MATRIX: readonly [roles: readonly string[], method: string, path: string][] = [
  [ANYBODY, "GET", "/users/current"],
  [ANYBODY, "POST", "/resources/check"],
  [READING, "GET", "/binary-split/key-fragment"],
  [READING, "POST", "/resources/get/models"],
  [READING, "POST", "/resources/get"],
  [READING, "POST", "/resources/list/models"],
  [READING, "POST", "/resources/list"],
  [READING, "POST", "/objects/sign"],
  [["Admin", "ResourceUploader", "ApiAdmin"], "POST", "/resources/models"],
  [["Admin", "ResourceUploader", "ApiAdmin"], "POST", "/resources/"],
  [["ResourceUploader", "ApiAdmin"], "POST", "/resources/clear/models"],
  [["ResourceUploader", "ApiAdmin"], "POST", "/resources/clear"],
  [ADMINISTRATION, "GET", "/users"],
  [ADMINISTRATION, "POST", "/users"],
  [ADMINISTRATION, "PUT", "/users/no@example.com/set-role/Admin"],
  [ADMINISTRATION, "PUT", "/users/no@example.com/enable"],
  [ADMINISTRATION, "PUT", "/users/no@example.com/disable"],
  [ADMINISTRATION, "DELETE", "/users/no@example.com"],
  [ADMINISTRATION, "PUT", "/users/hardware/set"],
  [ADMINISTRATION, "POST", "/devices"],
  [ADMINISTRATION, "GET", "/devices"],
  [ADMINISTRATION, "POST", "/devices/nobody/approve"],
  [ADMINISTRATION, "POST", "/devices/nobody/revoke"],
  [READING, "POST", "/devices/enroll"],
  [READING, "GET", "/v2/resources/models/a.onnx/versions"],
  [["Admin", "ResourceUploader", "ApiAdmin"], "POST", "/v2/resources/models/a.onnx"],
  [["Admin", "ResourceUploader", "ApiAdmin"], "POST", "/v2/resources/models/a.onnx/versions/1/pin"],
  [["Admin", "ResourceUploader", "ApiAdmin"], "POST", "/v2/resources/models/a.onnx/versions/1/withdraw"],
  [["Admin", "ResourceUploader", "ApiAdmin"], "DELETE", "/v2/resources/models/a.onnx/pin"],
];

Deno.test("origin: every call is open to exactly its roles", async () => {
  await using site = await OriginSite.start();
  const roles = Object.keys(ROLES) as (keyof typeof ROLES)[];
  const tokens = new Map<string, string>();
  for (const role of roles) tokens.set(role, (await site.user(role)).token);
  for (const [allowed, method, path] of MATRIX) {
    for (const [role, token] of tokens) {
      const { status } = await site.call(method, path, { token });
      assert.equal(status === 403, !allowed.includes(role), `${method} ${path} as ${role}: ${status}`);
      assert.notEqual(status, 401, `${method} ${path} as ${role}`);
      assert.ok(status < 500, `${method} ${path} as ${role}: ${status}`);
    }
  }
});

Deno.test("origin: no call that needs a token does without, or with a wrong one", async () => {
  await using site = await OriginSite.start();
  const [header, payload] = (await site.adminToken()).split(".");
  const none = btoa(JSON.stringify({ alg: "none", typ: "JWT" })).replace(/=+$/, "");
  const wrong = [
    undefined,
    "",
    "Bearer",
    "Bearer x",
    "Basic cm9vdDpyb290",
    `Bearer ${header}.${payload}.`,
    `Bearer ${none}.${payload}.`,
  ];
  for (const [, method, path] of MATRIX) {
    for (const authorization of wrong) {
      const reply = await site.call(method, path, { headers: authorization === undefined ? {} : { authorization } });
      assert.equal(reply.status, 401, `${method} ${path} with ${authorization}`);
      assert.equal(reply.headers.get("www-authenticate"), "Bearer");
    }
  }
});

Deno.test("origin: the password's hash is in no answer", async () => {
  await using site = await OriginSite.start();
  const token = await site.adminToken();
  const operator = await site.user("Operator");
  const answers = await Promise.all([
    site.call("GET", "/users", { token }),
    site.call("GET", "/users/current", { token }),
    site.call("POST", "/users", { token, json: { email: "x@example.com", password: PASSWORD, role: "Operator" } }),
    site.call("PUT", `/users/${operator.email}/set-role/Admin`, { token }),
    site.call("PUT", `/users/${operator.email}/disable`, { token }),
    site.call("PUT", "/users/hardware/set", { token, json: { email: operator.email, hardware: "x" } }),
    site.call("POST", "/devices", { token }),
  ]);
  for (const { status, text } of answers) {
    assert.equal(status, 200, text);
    assert.doesNotMatch(text, /scrypt|hash"\s*:\s*"\$|password_hash|passwordHash/);
  }
});

Deno.test("origin: the public keys may be cached and hold no private half", async () => {
  await using site = await OriginSite.start();
  const reply = await site.call("GET", "/.well-known/jwks.json");
  assert.equal(reply.headers.get("cache-control"), "public, max-age=300");
  const { keys } = reply.json<{ keys: Record<string, string>[] }>();
  assert.deepEqual(keys.map(({ kty, crv, alg, use, d }) => ({ kty, crv, alg, use, d })), [
    { kty: "EC", crv: "P-256", alg: "ES256", use: "sig", d: undefined },
  ]);
});

Deno.test("origin: every answer has a request id and refuses to be sniffed; errors tell nothing of the inside", async () => {
  await using site = await OriginSite.start();
  const token = await site.adminToken();
  const answers = [
    await site.call("GET", "/health", { headers: { "x-request-id": "mine-1" } }),
    await site.call("GET", "/nothing/here"),
    await site.call("PATCH", "/users", { token }),
    await site.call("GET", "/users?email='%20OR%201=1--", { token }),
    await site.call("PUT", "/users/%00/enable", { token }),
    await site.call("POST", "/resources/models", { token, body: fileForm(utf8("x"), "../x") }),
  ];
  assert.equal(answers[0]?.headers.get("x-request-id"), "mine-1");
  assert.equal(answers[0]?.text, '{"status":"UP"}');
  for (const { status, headers, text } of answers) {
    assert.ok(status < 500, `${status} ${text}`);
    assert.ok(headers.get("x-request-id"));
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.doesNotMatch(text, /SELECT|sqlite|\.ts:|at file|\/tmp/i);
  }
});
