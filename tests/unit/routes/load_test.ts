import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bytes.ts";
import { ConflictError, DiskFullError, IntegrityError, UnavailableError } from "../../../lib/errors.ts";
import type { LoadResource } from "../../../lib/resources/load.ts";
import { byteStream } from "../../../lib/streams.ts";
import { startDevice, type TestDevice } from "../../support/device.ts";
import { HOSTILE_NAMES } from "../../support/hostile_names.ts";
import { assertProblem } from "../../support/problem.ts";
import { readAll, writeAll } from "../../support/raw_http.ts";

const PIECE_BYTES = 64 * 1024;

async function load(device: TestDevice, filename: string, body: unknown): Promise<Response> {
  return await fetch(`${device.url}/load/${encodeURIComponent(filename)}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function startOperator(replaced?: LoadResource): Promise<TestDevice> {
  const device = await startDevice(replaced === undefined ? {} : { services: { load: replaced } });
  await device.signIn("Operator");
  return device;
}

Deno.test("POST /load answers the bytes with their size, version and source", async () => {
  await using device = await startOperator();
  const bytes = crypto.getRandomValues(new Uint8Array(50_000));
  device.resources.published.set("models/a.onnx", bytes);
  const answer = await load(device, "a.onnx", { filename: "a.onnx", folder: "models" });
  assert.deepEqual(
    ["content-type", "content-length", "content-disposition", "etag", "x-tally-source", "x-content-type-options"].map(
      (name) => answer.headers.get(name),
    ),
    ["application/octet-stream", "50000", 'attachment; filename="a.onnx"', '"abc"', "cache", "nosniff"],
  );
  assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), bytes);
});

Deno.test("POST /load sends an empty resource", async () => {
  await using device = await startOperator();
  device.resources.published.set("models/empty", new Uint8Array(0));
  const answer = await load(device, "empty", { filename: "empty", folder: "models" });
  assert.deepEqual([answer.status, answer.headers.get("content-length"), await answer.text()], [200, "0", ""]);
});

Deno.test("POST /load refuses every hostile name before anything is looked up", async () => {
  const asked: string[] = [];
  await using device = await startOperator(({ folder, name }) => Promise.reject(asked.push(`${folder}/${name}`)));
  for (const name of HOSTILE_NAMES) {
    const folderFault = await load(device, "a", { filename: "a", folder: name });
    const problem = await assertProblem(folderFault, 422, "invalid_input", `folder ${JSON.stringify(name)}`);
    assert.equal(problem.errors?.[0]?.field, "folder");
    await assertProblem(await load(device, "a", { filename: name, folder: "models" }), 422, "invalid_input", name);
    const both = await load(device, name, { filename: name, folder: "models" });
    assert.ok(both.status === 422 || both.status === 404, `${JSON.stringify(name)} ${both.status}`);
    await both.body?.cancel();
  }
  assert.deepEqual(asked, []);
});

Deno.test("POST /load refuses a body that names another file than the path", async () => {
  await using device = await startOperator();
  const problem = await assertProblem(
    await load(device, "a", { filename: "b", folder: "models" }),
    422,
    "invalid_input",
  );
  assert.equal(problem.errors?.[0]?.field, "filename");
});

Deno.test("POST /load answers each failure with its status", async () => {
  const failures: [Error, number, string][] = [
    [new ConflictError("Wrong resource file name.", "50"), 409, "conflict"],
    [new IntegrityError("The halves are of different versions"), 502, "integrity"],
    [new UnavailableError("CDN", "The CDN cannot be reached"), 503, "unavailable"],
    [new DiskFullError("The disk is full"), 507, "disk_full"],
    [new Error("secret detail"), 500, "internal"],
  ];
  for (const [error, status, code] of failures) {
    await using device = await startOperator(() => Promise.reject(error));
    const problem = await assertProblem(await load(device, "a", { filename: "a", folder: "b" }), status, code);
    assert.equal(problem.detail.includes("secret"), false);
  }
  await using device = await startOperator();
  await assertProblem(await load(device, "a", { filename: "a", folder: "b" }), 404, "not_found");
});

Deno.test("POST /load that fails on the way breaks the connection: the body is never whole", async () => {
  let pieces = 0;
  const failing: LoadResource = () =>
    Promise.resolve({
      body: byteStream(() => {
        if (pieces++ < 3) return Promise.resolve(new Uint8Array(PIECE_BYTES));
        return Promise.reject(new IntegrityError("The last block is wrong"));
      }),
      sizeBytes: 4 * PIECE_BYTES,
      etag: "abc",
      source: "cdn",
    });
  await using device = await startOperator(failing);
  const answer = await load(device, "a", { filename: "a", folder: "models" });
  assert.equal(answer.status, 200);
  await assert.rejects(answer.arrayBuffer());

  pieces = 0;
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: device.port });
  const body = '{"filename":"a","folder":"models"}';
  const head =
    `POST /load/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  await writeAll(connection, utf8(`${head}\r\n\r\n${body}`));
  const [answerHead = "", ...rest] = (await readAll(connection)).split("\r\n\r\n");
  assert.match(answerHead, /content-length: 262144/i);
  assert.ok(rest.join().length <= 3 * PIECE_BYTES, `${rest.join().length} bytes came`);
  assert.equal(device.logLines.filter((line) => line.includes("answer_broken_off")).length, 2);
});

Deno.test("POST /load ends the load when the caller goes", async () => {
  const cancelled = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  const endless: LoadResource = ({ name, signal }) => {
    if (name === "slow") {
      signal?.addEventListener("abort", () => aborted.resolve());
      return aborted.promise.then(() => Promise.reject(new UnavailableError("CDN", "gone")));
    }
    return Promise.resolve({
      body: byteStream(() => Promise.resolve(new Uint8Array(PIECE_BYTES)), () => cancelled.resolve()),
      sizeBytes: 2 ** 40,
      etag: "abc",
      source: "cdn",
    });
  };
  await using device = await startOperator(endless);
  const answer = await load(device, "a", { filename: "a", folder: "models" });
  const reader = answer.body?.getReader();
  await reader?.read();
  await reader?.cancel();
  await cancelled.promise;

  const controller = new AbortController();
  const request = fetch(`${device.url}/load/slow`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"filename":"slow","folder":"models"}',
    signal: controller.signal,
  });
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(request);
  await aborted.promise;
});
