import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../lib/bytes.ts";
import { startDeviceProcess, uploadTo } from "../support/device_process.ts";
import { post } from "../support/device_round.ts";
import { deviceSite } from "../support/device_site.ts";
import { faultTest } from "../support/fault_test.ts";
import { filesBelow, PASSWORD } from "../support/origin_site.ts";
import { folderCdnFlags } from "../support/publishing_device.ts";
import { readAll, writeAll } from "../support/raw_http.ts";

/** More than what lies in the buffers of a connection that nobody reads. */
const SIZE_BYTES = 32 * 1024 * 1024;
const BOUNDARY = "boundary";

/** Asks for a load and reads the head of its answer, and no further. */
async function beginLoad(port: number): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const body = '{"filename":"a.onnx","folder":"models"}';
  const head = `POST /load/a.onnx HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  await writeAll(connection, utf8(`${head}Content-Length: ${body.length}\r\n\r\n${body}`));
  const start = new Uint8Array(64);
  await connection.read(start);
  assert.match(new TextDecoder().decode(start), /^HTTP\/1\.1 200 OK/);
  return connection;
}

/** Sends the first half of a form, and says when the device has begun to take it. */
async function beginUpload(port: number): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const type = `multipart/form-data; boundary=${BOUNDARY}`;
  const head =
    `POST /upload/half.onnx HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${SIZE_BYTES}`;
  const part = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="data"; filename="half.onnx"\r\n\r\n`;
  await writeAll(connection, utf8(`${head}\r\n\r\n${part}`));
  await writeAll(connection, new Uint8Array(SIZE_BYTES / 2)); // more than lies in buffers: it is being read
  return connection;
}

faultTest({
  area: "process",
  fault: "SIGTERM, while a caller does not go on",
  operation: "load and upload",
  outcome: "health turns to draining; after 10 s the load is cut short, and nothing is published",
}, async () => {
  await using at = await deviceSite("Admin");
  const { folder, site, email } = at;
  await using device = await startDeviceProcess({ ...at.place, flags: await folderCdnFlags(folder.path) });
  const port = Number(new URL(device.url).port);
  const cdn = join(folder.path, "cdn");
  const account = JSON.stringify({ email, password: PASSWORD });
  assert.equal((await (await post(`${device.url}/login`, account)).json()).role, "Admin");
  const { status, bytes } = await uploadTo(device.url, new Uint8Array(SIZE_BYTES), "a.onnx");
  assert.deepEqual([status, new TextDecoder().decode(bytes)], [200, '{"status":"ok"}']);
  const published = await filesBelow(cdn);

  using load = await beginLoad(port);
  using upload = await beginUpload(port);
  const ended = device.stop();
  const late = await (async () => {
    for (;;) {
      const answer = await fetch(`${device.url}/health`, { headers: { connection: "close" } });
      const text = await answer.text();
      if (answer.status !== 200) return [answer.status, text, answer.headers.get("retry-after")]; // the signal has come
    }
  })();
  assert.deepEqual(late, [503, '{"status":"draining"}', "10"]);

  await ended;
  const { code, signal } = await device.child.status;
  assert.deepEqual([code, signal], [0, null], device.log());
  assert.match(device.log(), /"message":"stopped"/);
  assert.ok((await readAll(load)).length < SIZE_BYTES, "the load looks whole");
  assert.doesNotMatch(await readAll(upload), /^HTTP\/1\.1 200/);
  assert.deepEqual(await filesBelow(cdn), published);
  const token = await site.adminToken();
  const { text } = await site.call("POST", "/resources/list/models", { json: {}, token });
  assert.match(text, /a\.onnx/);
  assert.doesNotMatch(text, /half/);
});
