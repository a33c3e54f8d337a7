import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { NotFoundError } from "../../../lib/errors.ts";
import type { LoadResource } from "../../../lib/resources/load.ts";
import { byteStream } from "../../../lib/streams.ts";
import { startDevice, type TestDevice } from "../../support/device.ts";
import { eventually } from "../../support/eventually.ts";
import { assertProblem } from "../../support/problem.ts";

/** Loads that go on until the test lets them end, by name. */
class HeldLoads {
  readonly begun: string[] = [];
  readonly #held = new Map<string, PromiseWithResolvers<void>>();

  readonly load: LoadResource = ({ name }) => {
    this.begun.push(name);
    if (name === "missing") return Promise.reject(new NotFoundError("There is no such resource"));
    const held = Promise.withResolvers<void>();
    this.#held.set(name, held);
    const pieces = [utf8("x")];
    const body = byteStream(async () => {
      await held.promise;
      return pieces.shift();
    }, () => held.resolve());
    return Promise.resolve({ body, sizeBytes: 1, etag: "abc", source: "cdn" });
  };

  end(name: string): void {
    this.#held.get(name)?.resolve();
  }
}

async function startHeld(maxTransfers: number): Promise<{ device: TestDevice; loads: HeldLoads }> {
  const loads = new HeldLoads();
  const device = await startDevice({
    flags: { "max-transfers": String(maxTransfers) },
    services: { load: loads.load },
  });
  await device.signIn("ApiAdmin");
  return { device, loads };
}

async function load(device: TestDevice, filename: string, signal?: AbortSignal): Promise<Response> {
  return await fetch(`${device.url}/load/${filename}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ filename, folder: "models" }),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function upload(device: TestDevice): Promise<Response> {
  const form = new FormData();
  form.set("data", new File(["data"], "b.onnx"));
  return await fetch(`${device.url}/upload/b.onnx`, { method: "POST", body: form });
}

Deno.test("loads and uploads beyond MAX_TRANSFERS wait for their turn, and nothing else does", async () => {
  const { device, loads } = await startHeld(2);
  await using _ = device;
  const [first, second] = [await load(device, "first"), await load(device, "second")];
  const third = load(device, "third");
  const form = upload(device);
  for (const path of ["/health", "/status", "/unlock/status"]) {
    assert.equal(await fetch(device.url + path).then((answer) => answer.text().then(() => answer.status)), 200, path);
  }
  assert.deepEqual([loads.begun, device.resources.stagings], [["first", "second"], 0]);
  loads.end("second");
  assert.equal(await second.text(), "x");
  loads.end("first");
  assert.equal(await first.text(), "x");
  loads.end("third"); // as soon as it has begun, whichever came first
  await eventually("the third one begins", () => Promise.resolve(loads.begun.includes("third")));
  loads.end("third");
  assert.equal(await (await third).text(), "x");
  assert.equal((await form).status, 200);
  assert.deepEqual(await (await form).json(), { status: "ok" });
});

Deno.test("a load that fails, and one whose caller goes, leave their places", async () => {
  const { device, loads } = await startHeld(1);
  await using _ = device;
  await assertProblem(await load(device, "missing"), 404, "not_found");
  const gone = await load(device, "gone");
  await gone.body?.cancel();
  const last = await load(device, "last");
  loads.end("last");
  assert.equal(await last.text(), "x");
});

Deno.test("HEAD, and an answer without a body, keep no place", async () => {
  await using device = await startDevice({ flags: { "max-transfers": "1" } });
  await device.signIn("Operator");
  device.resources.published.set("models/a.onnx", utf8("abc"));
  const url = `${device.url}/resources/models/a.onnx`;
  for (let i = 0; i < 3; i++) {
    const head = await fetch(url, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [200, "3", ""]);
    const known = await fetch(url, { headers: { "if-none-match": '"abc"' } });
    assert.deepEqual([known.status, await known.text()], [304, ""]);
  }
  assert.equal(await (await fetch(url)).text(), "abc");
});

Deno.test("a caller who goes while it waits is not served", async () => {
  const { device, loads } = await startHeld(1);
  await using _ = device;
  const first = await load(device, "first");
  const impatient = new AbortController();
  const waiting = load(device, "impatient", impatient.signal);
  const refused = assert.rejects(waiting);
  const next = load(device, "next");
  await fetch(`${device.url}/health`).then((answer) => answer.text());
  impatient.abort();
  await refused;
  await eventually(
    "its leaving is noticed",
    () => Promise.resolve(device.logLines.some((line) => line.includes('"code":"interrupted"'))),
  );
  loads.end("first");
  assert.equal(await first.text(), "x");
  await eventually("the next one begins", () => Promise.resolve(loads.begun.includes("next")));
  loads.end("next");
  assert.equal(await (await next).text(), "x");
  assert.deepEqual(loads.begun, ["first", "next"]);
});

Deno.test("when too many wait, further ones get 503 at once, with the time to come again", async () => {
  const { device, loads } = await startHeld(1);
  await using _ = device;
  const first = await load(device, "first");
  const answers = Array.from({ length: 10 }, (_value, index) => load(device, `n${index}`));
  const refused = await Promise.race(answers); // eight wait
  assert.equal(refused.headers.get("retry-after"), "15");
  assert.ok(refused.headers.get("x-request-id"));
  await assertProblem(refused, 503, "busy");
  loads.end("first");
  await first.text();
  const ended = new Set<string>();
  await eventually("all others are served", async () => {
    for (const name of loads.begun) loads.end(name);
    for (const name of loads.begun) ended.add(name);
    await Promise.resolve();
    return ended.size === 9;
  });
  const statuses = (await Promise.all(answers)).map(({ status }) => status).sort();
  assert.deepEqual(statuses, [...new Array<number>(8).fill(200), 503, 503]);
  for (const answer of await Promise.all(answers)) if (!answer.bodyUsed) await answer.body?.cancel();
  assert.ok(!device.audited.some(({ result }) => result === "busy"));
});
