import { decodeJwt, exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT, UnsecuredJWT } from "jose";
import assert from "node:assert/strict";
import { READER_ROLES, type Role, ROLES, UPLOADER_ROLES } from "../../../lib/auth/roles.ts";
import { utf8 } from "../../../lib/bytes.ts";
import { accountOf, PASSWORD, startDevice, type TestDevice } from "../../support/device.ts";
import { assertProblem } from "../../support/problem.ts";

type CallerAuth = "session" | "bearer";

/** A call of the API and who may make it: roles of the caller; "anybody"; or roles of the account in the body. */
interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: () => BodyInit;
  readonly json?: Record<string, string>;
  readonly allowed: "anybody" | readonly Role[];
}

const ALL_ROLES = Object.keys(ROLES) as Role[];
const CALLS: readonly Call[] = [
  { method: "GET", path: "/health", allowed: "anybody" },
  { method: "GET", path: "/status", allowed: "anybody" },
  { method: "GET", path: "/unlock/status", allowed: "anybody" },
  { method: "GET", path: "/openapi.json", allowed: "anybody" },
  { method: "GET", path: "/docs", allowed: "anybody" },
  { method: "POST", path: "/load/a.onnx", json: { filename: "a.onnx", folder: "models" }, allowed: READER_ROLES },
  { method: "POST", path: "/upload/b.onnx", body: uploadForm, allowed: UPLOADER_ROLES },
  { method: "POST", path: "/logout", allowed: ALL_ROLES },
];

function uploadForm(): FormData {
  const form = new FormData();
  form.set("data", new File(["data"], "b.onnx"));
  return form;
}

async function call(device: TestDevice, { method, path, body, json }: Call, token?: string): Promise<Response> {
  return await fetch(device.url + path, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(json === undefined ? {} : { "content-type": "application/json" }),
    },
    body: json === undefined ? body?.() ?? null : JSON.stringify(json),
  });
}

async function assertAllowed(answer: Response, allowed: boolean, what: string): Promise<void> {
  if (!allowed) return void await assertProblem(answer, 403, "not_allowed", what);
  assert.equal(answer.status, 200, `${what}: ${await answer.text()}`);
  if (!answer.bodyUsed) await answer.body?.cancel();
}

/** A device on which the account of that role counts as caller, in either way. */
async function startFor(
  callerAuth: CallerAuth,
  role: Role,
): Promise<{ device: TestDevice; token: string | undefined }> {
  const device = await startDevice({ flags: { "caller-auth": callerAuth } });
  device.resources.published.set("models/a.onnx", utf8("a"));
  if (callerAuth === "bearer") {
    await device.signIn("ApiAdmin"); // the session of the device must not count for the caller
    return { device, token: await device.api.token(accountOf(role)) };
  }
  await device.signIn(role);
  return { device, token: undefined };
}

for (const callerAuth of ["session", "bearer"] as const) {
  Deno.test(`every call is for its roles only, with CALLER_AUTH=${callerAuth}`, async () => {
    for (const role of ALL_ROLES) {
      const { device, token } = await startFor(callerAuth, role);
      await using _ = device;
      for (const each of CALLS) {
        const allowed = each.allowed === "anybody" || each.allowed.includes(role);
        await assertAllowed(await call(device, each, token), allowed, `${role} ${each.method} ${each.path}`);
      }
    }
  });

  Deno.test(`nobody signed in makes only the calls for anybody, with CALLER_AUTH=${callerAuth}`, async () => {
    await using device = await startDevice({ flags: { "caller-auth": callerAuth } });
    for (const each of CALLS) {
      const what = `${each.method} ${each.path}`;
      const answer = await call(device, each);
      if (each.allowed === "anybody") {
        await assertAllowed(answer, true, what);
        continue;
      }
      assert.equal(answer.headers.get("www-authenticate"), "Bearer");
      await assertProblem(answer, 401, "not_signed_in", what);
    }
    assert.equal(device.resources.stagings, 0);
  });
}

Deno.test("a token that is not valid is answered with 401, whoever is signed in on the device", async () => {
  await using device = await startDevice({ flags: { "caller-auth": "bearer" } });
  await device.signIn("ApiAdmin");
  const [load] = CALLS.filter(({ path }) => path.startsWith("/load"));
  assert.ok(load !== undefined);
  const good = await device.api.token(accountOf("Admin"));
  for (const token of ["", "x", `${good}x`, good.split(".").slice(0, 2).join(".") + ".", "a b"]) {
    await assertProblem(await call(device, load, token), 401, "not_signed_in", token);
  }
});

Deno.test("with CALLER_AUTH=bearer a token counts that the API has signed, for this device, now, and no other", async () => {
  const rules = { "jwt-issuer": "AzaionApi", "jwt-audience": "Annotators/OrangePi/Admins" };
  await using device = await startDevice({ flags: { "caller-auth": "bearer", ...rules } });
  const email = accountOf("Admin");
  const good = await device.api.token(email);
  const claims = decodeJwt(good);
  const stranger = await generateKeyPair("ES256");
  const [publicKey] = (await (await fetch(device.api.jwksUrl)).json()).keys;
  const signed = (header: JWTHeaderParameters, key: CryptoKey | Uint8Array) =>
    new SignJWT(claims).setProtectedHeader(header).sign(key);
  const [head = "", body = "", signature = ""] = good.split(".");
  const raised = utf8(JSON.stringify({ ...claims, role: "ApiAdmin" })).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
  const hostile: Record<string, string> = {
    "forged with another key": await signed({ alg: "ES256", kid: "1" }, stranger.privateKey),
    "forged with a key that it brings along": await signed(
      { alg: "ES256", jwk: await exportJWK(stranger.publicKey) },
      stranger.privateKey,
    ),
    "with the public key as a secret": await signed({ alg: "HS256", kid: "1" }, utf8(JSON.stringify(publicKey))),
    "without a signature": new UnsecuredJWT(claims).encode(),
    "with its signature left out": `${head}.${body}.`,
    "with another role": `${head}.${raised}.${signature}`,
    "expired": await device.api.token(email, { expires: "-1h" }),
    "for another audience": await device.api.token(email, { audience: "another" }),
    "of another issuer": await device.api.token(email, { issuer: "another" }),
  };
  const [load] = CALLS.filter(({ path }) => path.startsWith("/load"));
  assert.ok(load !== undefined);
  for (const [what, token] of Object.entries(hostile)) {
    const answer = await call(device, load, token);
    assert.equal(answer.status, 401, what);
    assert.doesNotMatch(await answer.text(), /eyJ/, what);
  }
  await assertProblem(await call(device, load, good), 404, "not_found"); // and the good one passes
  const log = device.logLines.join("");
  for (const token of [good, ...Object.values(hostile)]) assert.ok(!log.includes(token));
});

Deno.test("with CALLER_AUTH=session no token of a caller counts", async () => {
  await using device = await startDevice();
  await device.signIn("NONE");
  const token = await device.api.token(accountOf("ApiAdmin"));
  for (const each of CALLS.filter(({ path }) => /load/.test(path))) {
    await assertProblem(await call(device, each, token), 403, "not_allowed", each.path);
  }
});

Deno.test("POST /upload decides before the body is read", async () => {
  await using device = await startDevice();
  await device.signIn("Operator");
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      if (pulled > 1000) return controller.close();
      controller.enqueue(new Uint8Array(64 * 1024));
    },
  }, { highWaterMark: 0 });
  const answer = await fetch(`${device.url}/upload/b.onnx`, {
    method: "POST",
    body,
    headers: { "content-type": "multipart/form-data; boundary=x" },
  });
  await assertProblem(answer, 403, "not_allowed");
  assert.ok(pulled < 500, `${pulled} pieces were read`);
  assert.equal(device.resources.stagings, 0);
});

Deno.test("POST /unlock checks the account of the body and nobody else", async () => {
  const archive = await Deno.makeTempFile();
  try {
    for (const role of ALL_ROLES) {
      await using device = await startDevice({ flags: { "images-path": archive } });
      await device.signIn(role === "NONE" ? "ApiAdmin" : "NONE");
      const answer = await call(device, {
        method: "POST",
        path: "/unlock",
        json: { email: accountOf(role), password: PASSWORD },
        allowed: READER_ROLES,
      });
      await assertAllowed(answer, READER_ROLES.includes(role), role);
    }
  } finally {
    await Deno.remove(archive);
  }
});

const FOREIGN: readonly [string, Record<string, string>][] = [
  ["a page of another site", { "sec-fetch-site": "cross-site" }],
  ["a page of another port", { "sec-fetch-site": "same-site" }],
  ["a page of another origin", { origin: "https://evil.example" }],
  ["a page without an origin", { origin: "null" }],
];
Deno.test("web pages of other sites may not change anything on a device that asks for no token", async () => {
  await using device = await startDevice();
  await device.signIn("Admin");
  for (const [what, headers] of FOREIGN) {
    const answer = await fetch(`${device.url}/upload/b.onnx`, { method: "POST", headers, body: uploadForm() });
    await assertProblem(answer, 403, "not_allowed", what);
    await assertProblem(await fetch(`${device.url}/logout`, { method: "POST", headers }), 403, "not_allowed", what);
    const read = await fetch(`${device.url}/health`, { headers });
    assert.equal(await read.text(), '{"status":"healthy"}', what);
  }
  assert.equal(device.resources.stagings, 0);
  const own = { "sec-fetch-site": "same-origin", origin: device.url };
  const answer = await fetch(`${device.url}/logout`, { method: "POST", headers: own });
  assert.equal(answer.status, 200, await answer.text());
});
