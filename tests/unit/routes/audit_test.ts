import assert from "node:assert/strict";
import { IntegrityError } from "../../../lib/errors.ts";
import { accountOf, PASSWORD, startDevice, type TestDevice } from "../../support/device.ts";

async function post(device: TestDevice, path: string, body: unknown): Promise<number> {
  const answer = await fetch(device.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  await answer.arrayBuffer();
  return answer.status;
}

Deno.test("the audit trail says who did what, from where, and how it ended", async () => {
  await using device = await startDevice();
  const account = { email: accountOf("Operator"), password: PASSWORD };
  await post(device, "/login", { ...account, password: "wrong password" });
  await post(device, "/login", account);
  await post(device, "/load/a.onnx", { filename: "a.onnx", folder: "models" });
  device.resources.published.set("models/a.onnx", new Uint8Array(10));
  await post(device, "/load/a.onnx", { filename: "a.onnx", folder: "models" });
  await post(device, "/load/..", { filename: "..", folder: "models" });
  await post(device, "/upload/a.onnx", {});
  await post(device, "/unlock", account);
  await post(device, "/logout", {});
  await post(device, "/load/a.onnx", { filename: "a.onnx", folder: "models" });
  await (await fetch(`${device.url}/status`)).text();
  const who = accountOf("Operator");
  const lines = device.audited.map(({ action, who, role, resource, from, result }) => [
    ...[action, who, role, resource, from, result],
  ]);
  const from = "127.0.0.1";
  assert.deepEqual(lines, [
    ["sign_in", who, undefined, undefined, from, "not_signed_in"],
    ["sign_in", who, undefined, undefined, from, "ok"],
    ["load", who, "Operator", "models/a.onnx", from, "not_found"],
    ["load", who, "Operator", "models/a.onnx", from, "ok"],
    ["upload", who, "Operator", "a.onnx", from, "not_allowed"],
    ["unlock", who, undefined, undefined, from, "not_found"],
    ["sign_out", who, "Operator", undefined, from, "ok"],
  ]);
  assert.ok(device.audited.every(({ requestId }) => requestId !== undefined));
  assert.ok(!JSON.stringify(device.audited).includes(PASSWORD), "a password stands in the trail");
});

Deno.test("calls that anybody could repeat at will push nothing out of the audit trail", async () => {
  await using device = await startDevice();
  const guess = { email: accountOf("Operator"), password: "wrong password" };
  for (let i = 0; i < 15; i++) await post(device, "/login", guess);
  for (let i = 0; i < 5; i++) await post(device, "/load/a.onnx", { filename: "a.onnx", folder: "models" });
  assert.deepEqual(device.audited.map(({ result }) => result), Array.from({ length: 10 }, () => "not_signed_in"));
});

Deno.test("a device whose audit trail cannot be written goes on, and its log says so", async () => {
  const audit = { record: () => Promise.reject(new IntegrityError("The last line was altered")) };
  await using device = await startDevice({ services: { audit } });
  assert.equal(await post(device, "/login", { email: accountOf("Operator"), password: PASSWORD }), 200);
  assert.ok(device.logLines.some((line) => line.includes("audit_failed") && line.includes("was altered")));
});
