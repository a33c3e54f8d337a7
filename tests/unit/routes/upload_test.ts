import assert from "node:assert/strict";
import { type Bytes, concat, utf8 } from "../../../lib/bytes.ts";
import { DiskFullError, UnavailableError } from "../../../lib/errors.ts";
import type { StageUpload } from "../../../lib/resources/upload.ts";
import { collect } from "../../../lib/streams.ts";
import { startDevice, type TestDevice } from "../../support/device.ts";
import { HOSTILE_NAMES } from "../../support/hostile_names.ts";
import { assertProblem } from "../../support/problem.ts";
import { rawHttp } from "../../support/raw_http.ts";

const DATA = crypto.getRandomValues(new Uint8Array(60_000));

function form(entries: readonly (readonly [string, string | Bytes])[]): FormData {
  const made = new FormData();
  for (const [name, value] of entries) {
    made.append(name, typeof value === "string" ? value : new File([value], "any.bin"));
  }
  return made;
}

async function upload(device: TestDevice, filename: string, body: FormData): Promise<Response> {
  return await fetch(`${device.url}/upload/${encodeURIComponent(filename)}`, { method: "POST", body });
}

async function startUploader(stage?: StageUpload): Promise<TestDevice> {
  const device = await startDevice(stage === undefined ? {} : { services: { stage } });
  await device.signIn("ResourceUploader");
  return device;
}

function assertNothingWritten({ resources }: TestDevice, what = ""): void {
  assert.deepEqual([...resources.published.keys()], [], what);
  assert.equal(resources.openStagings, 0, what);
}

Deno.test("POST /upload publishes under the name of the path, in the folder of the form or in models", async () => {
  await using device = await startUploader();
  const forms: [FormData, string][] = [
    [form([["folder", "maps"], ["data", DATA]]), "maps/a.onnx"],
    [form([["data", DATA], ["folder", "late"]]), "late/a.onnx"],
    [form([["data", DATA]]), "models/a.onnx"],
  ];
  for (const [body, name] of forms) {
    const answer = await upload(device, "a.onnx", body);
    assert.equal(await answer.text(), '{"status":"ok"}');
    assert.deepEqual(device.resources.published.get(name), DATA, name);
  }
  assert.deepEqual([device.resources.published.size, device.resources.openStagings], [3, 0]);
});

Deno.test("POST /upload takes an empty file", async () => {
  await using device = await startUploader();
  assert.equal((await (await upload(device, "empty", form([["data", new Uint8Array(0)]]))).json()).status, "ok");
  assert.equal(device.resources.published.get("models/empty")?.byteLength, 0);
});

Deno.test("POST /upload refuses every hostile name and writes nothing", async () => {
  await using device = await startUploader();
  for (const name of HOSTILE_NAMES) {
    for (const entries of [[["folder", name], ["data", DATA]], [["data", DATA], ["folder", name]]] as const) {
      const what = `folder ${JSON.stringify(name)}`;
      const problem = await assertProblem(await upload(device, "a", form(entries)), 422, "invalid_input", what);
      assert.equal(problem.errors?.[0]?.field, "folder", what);
    }
    const answer = await upload(device, name, form([["data", DATA]]));
    assert.ok(answer.status === 422 || answer.status === 404, `${JSON.stringify(name)}: ${answer.status}`);
    await answer.body?.cancel();
  }
  assertNothingWritten(device);
});

Deno.test("POST /upload refuses wrong forms and writes nothing", async () => {
  await using device = await startUploader();
  const wrong: [string, BodyInit, Record<string, string>, number, string][] = [
    ["JSON", "{}", { "content-type": "application/json" }, 415, "unsupported_media_type"],
    ["no type", new Uint8Array(9), {}, 415, "unsupported_media_type"],
    ["no boundary", "x", { "content-type": "multipart/form-data" }, 400, "malformed"],
    ["no form", "x", { "content-type": "multipart/form-data; boundary=b" }, 400, "malformed"],
    ["no file", form([["folder", "a"]]), {}, 422, "invalid_input"],
    ["another file", form([["file", DATA]]), {}, 422, "invalid_input"],
    ["two files", form([["data", DATA], ["data", DATA]]), {}, 422, "invalid_input"],
    ["a large field", form([["folder", "x".repeat(2000)], ["data", DATA]]), {}, 413, "too_large"],
  ];
  for (const [what, body, headers, status, code] of wrong) {
    const answer = await fetch(`${device.url}/upload/a`, { method: "POST", body, headers });
    await assertProblem(answer, status, code, what);
    assertNothingWritten(device, what);
  }
});

Deno.test("POST /upload that is cut off writes nothing", async () => {
  await using device = await startUploader();
  const head = '--b\r\nContent-Disposition: form-data; name="data"; filename="x"\r\n\r\n';
  const body = concat(utf8(head), DATA);
  const request = (announcedBytes: number) =>
    concat(
      utf8("POST /upload/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"),
      utf8(`Content-Length: ${announcedBytes}\r\nConnection: close\r\n\r\n`),
      body,
    );
  const whole = await rawHttp(device.port, request(body.byteLength));
  assert.match(whole, /^HTTP\/1.1 400 [^]*application\/problem\+json[^]*"code":"malformed"/);
  assertNothingWritten(device, "the closing boundary is missing");
  const cut = await rawHttp(device.port, request(body.byteLength + 1000));
  assert.doesNotMatch(cut, /^HTTP\/1.1 2/);
  await untilLogged(device, 2);
  assertNothingWritten(device, "the connection broke");
  assert.equal(device.resources.stagings, 0);
});

/** Waits until that many uploads have been answered, whether or not anybody heard it. */
async function untilLogged(device: TestDevice, count: number): Promise<void> {
  const answered = () => device.logLines.filter((line) => line.includes('"path":"/upload/a"')).length;
  while (answered() < count) await new Promise((resolve) => setTimeout(resolve, 5));
}

Deno.test("POST /upload answers each failure with its status, and disposes of what was staged", async () => {
  await using full = await startUploader(async (data) => {
    await data.cancel();
    throw new DiskFullError("Cannot write: the disk is full");
  });
  await assertProblem(await upload(full, "a", form([["data", DATA]])), 507, "disk_full");

  let disposed = 0;
  await using away = await startUploader(async (data) => {
    await collect(data, DATA.byteLength);
    return {
      format: "v1",
      publish: () => Promise.reject(new UnavailableError("CDN", "The CDN cannot be reached")),
      [Symbol.dispose]: () => void disposed++,
    };
  });
  await assertProblem(await upload(away, "a", form([["data", DATA]])), 503, "unavailable");
  assert.equal(disposed, 1);
});
