import assert from "node:assert/strict";
import { accountOf, PASSWORD, startDevice, type TestDevice } from "../../support/device.ts";
import { eventually } from "../../support/eventually.ts";
import { assertProblem } from "../../support/problem.ts";

async function unlock(device: TestDevice, password = PASSWORD): Promise<Response> {
  return await fetch(`${device.url}/unlock`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email: accountOf("CompanionPC"), password }),
  });
}

async function status(device: TestDevice): Promise<Record<string, unknown>> {
  return await (await fetch(`${device.url}/unlock/status`)).json();
}

Deno.test("POST /unlock without an archive is 404 and leaves the state idle", async () => {
  await using device = await startDevice();
  await assertProblem(await unlock(device), 404, "not_found");
  assert.deepEqual(await status(device), { state: "idle", error: null, progress: null });
});

Deno.test("POST /unlock with a folder in the place of the archive is 404", async () => {
  await using device = await startDevice({ flags: { "images-path": "/tmp" } });
  await assertProblem(await unlock(device), 404, "not_found");
});

Deno.test("POST /unlock is ready at once when all images are there, whoever asks", async () => {
  const ready = { list: () => Promise.resolve(["azaion/flights:latest"]) };
  await using probe = await startDevice({ flags: { images: "azaion/flights" } });
  Object.assign(probe.services.engine, ready);
  assert.deepEqual(await (await unlock(probe, "wrong")).json(), { state: "ready" });
  assert.deepEqual(await status(probe), { state: "ready", error: null, progress: null });
});

Deno.test("POST /unlock, where nothing is to be unlocked, gives nobody who guesses a password new guesses", async () => {
  await using device = await startDevice({ flags: { images: "azaion/flights" } });
  Object.assign(device.services.engine, { list: () => Promise.resolve(["azaion/flights:latest"]) });
  const post = async (path: string, localAddress: string) => {
    using client = Deno.createHttpClient({ localAddress });
    const body = JSON.stringify({ email: accountOf("CompanionPC"), password: "wrong" });
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${device.url}${path}`, { method: "POST", headers, body, client });
    await answer.body?.cancel();
    return answer.status;
  };
  for (let guess = 0; guess < 9; guess++) assert.equal(await post("/login", "127.0.0.2"), 401);
  assert.equal(await post("/unlock", "127.0.0.3"), 200);
  assert.equal(await post("/login", "127.0.0.4"), 401);
  assert.equal(await post("/login", "127.0.0.5"), 429);
});

Deno.test("POST /unlock of an archive that is none starts, and GET /unlock/status tells what went wrong", async () => {
  const archive = await Deno.makeTempFile();
  try {
    await Deno.writeFile(archive, crypto.getRandomValues(new Uint8Array(4096 + 16)));
    await using device = await startDevice({ flags: { "images-path": archive } });
    await assertProblem(await unlock(device, "wrong"), 401, "not_signed_in");
    const { state } = await (await unlock(device)).json();
    assert.ok(["downloading_key", "decrypting", "loading_images", "error"].includes(state), state);
    await device.services.unlock.settled();
    const { state: end, error, code } = await status(device);
    assert.deepEqual([end, code], ["error", "integrity"]);
    assert.ok(typeof error === "string" && error.length > 0);
    assert.equal((await (await fetch(`${device.url}/status`)).json()).unlock, "error");
    await eventually("the end stands in the trail", () => Promise.resolve(device.audited.length === 3));
    const lines = device.audited.map(({ action, who, from, result }) => [action, who, from, result]);
    const who = accountOf("CompanionPC");
    assert.deepEqual(lines, [
      ["unlock", who, "127.0.0.1", "not_signed_in"],
      ["unlock", who, "127.0.0.1", "ok"],
      ["unlock_end", who, "local", "integrity"],
    ]);
  } finally {
    await Deno.remove(archive);
  }
});

Deno.test("a device that is told to stop ends an unlock that waits for the API, and tells its caller", async () => {
  const archive = await Deno.makeTempFile();
  try {
    const device = await startDevice({ flags: { "images-path": archive } });
    const asked = Promise.withResolvers<void>();
    device.api.intercept = (request) => {
      asked.resolve();
      return new Promise((resolve) => request.signal.addEventListener("abort", () => resolve(new Response())));
    };
    const answer = unlock(device);
    await asked.promise;
    const ended = device[Symbol.asyncDispose]();
    await assertProblem(await answer, 503, "interrupted");
    await ended;
  } finally {
    await Deno.remove(archive);
  }
});
