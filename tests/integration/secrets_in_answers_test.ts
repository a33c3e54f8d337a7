import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { KNOWN_SECRETS } from "../../lib/redaction/known_secrets.ts";
import { accountOf, PASSWORD, startDevice, type TestDevice } from "../support/device.ts";
import { SmallResourceApi } from "../support/resource_api.ts";
import { tally } from "../support/tally.ts";
import { tempFolder } from "../support/temp_folder.ts";

/** Says back what it was sent, in every way of writing, as a debugging server does. */
async function echo(request: Request): Promise<Response> {
  const sent = `${request.headers.get("authorization")} ${await request.text()}`;
  const Message = [sent, JSON.stringify(sent), encodeURIComponent(sent), utf8(sent).toBase64(), utf8(sent).toHex()]
    .join("\n");
  return Response.json({ ErrorCode: 99, Message }, { status: 409 });
}

/** The same words in the ways in which {@link echo} says them. */
function waysToWrite(secret: string): string[] {
  return [secret, encodeURIComponent(secret), utf8(secret).toHex()];
}

function assertWithout(secrets: readonly string[], text: string, what: string): void {
  for (const secret of secrets.flatMap(waysToWrite)) assert.ok(!text.includes(secret), `${what} holds a secret`);
}

Deno.test("a server that says back what it was sent brings no password and no token into an answer or the log", async () => {
  await using device: TestDevice = await startDevice({ services: { load: (request) => loadFrom(device, request) } });
  const token = await device.signIn("Operator");
  device.api.intercept = echo;
  const calls: readonly [path: string, json: unknown][] = [
    ["/load/a.bin", { filename: "a.bin", folder: "models" }],
    ["/login", { email: accountOf("Operator"), password: PASSWORD }],
    ["/login", { email: PASSWORD, password: PASSWORD }],
    ["/unlock", { email: accountOf("Operator"), password: PASSWORD }],
  ];
  const answers: string[] = [];
  for (const [path, json] of calls) {
    const body = JSON.stringify(json);
    const headers = { "content-type": "application/json" };
    answers.push(await (await fetch(device.url + path, { method: "POST", headers, body })).text());
  }
  assert.match(answers[0] ?? "", /\*\*\*.*"code":"conflict"/);
  answers.push(await (await fetch(`${device.url}/unlock/status`)).text());
  answers.forEach((text, index) => assertWithout([PASSWORD, token], text, `answer ${index}`));
  assertWithout([PASSWORD, token], device.logLines.join(""), "the log");
});

/** A load whose small part comes from the API. */
async function loadFrom(device: TestDevice, { folder, name }: { folder: string; name: string }): Promise<never> {
  const { password } = device.services.session.credentials();
  await device.services.api.getResource({ folder, name, password, hardware: "none" });
  throw new Error("The API did not refuse the call");
}

Deno.test("a session's password and token are known until it is signed out", async () => {
  await using device = await startDevice();
  const before = KNOWN_SECRETS.size;
  const token = await device.signIn("Operator");
  assert.equal(KNOWN_SECRETS.mask(`a ${token} b`), "a *** b");
  device.services.session.signOut();
  assert.equal(KNOWN_SECRETS.size, before);
  assert.equal(KNOWN_SECRETS.mask(token), token);
});

Deno.test("an error that the command line prints holds no password, however the server says it", async () => {
  await using api = await SmallResourceApi.start({ "ada@example.com": { password: PASSWORD, role: "Operator" } });
  await using folder = await tempFolder();
  api.intercept = (request) => new URL(request.url).pathname === "/login" ? echo(request) : undefined;
  const settings = ["--resource-api-url", api.url.href, "--state-dir", folder.path, "--model-cache-dir", folder.path];
  for (const json of [[], ["--json"]]) {
    const args = ["load", "a.bin", "--folder", "models", "--email", "ada@example.com", "--password-stdin", ...settings];
    const { exitCode, stdout, stderr } = await tally([...args, ...json], { stdin: `${PASSWORD}\n`, cwd: folder.path });
    assert.notEqual(exitCode, 0);
    assert.match(stderr, /\*\*\*/);
    assertWithout([PASSWORD], stdout + stderr, "the output");
  }
});
