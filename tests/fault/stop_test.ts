import assert from "node:assert/strict";
import { join } from "node:path";
import { thisProgram } from "../../cli/demo/this_program.ts";
import { utf8 } from "../../lib/bytes.ts";
import { processEnvironment } from "../../lib/system/environment.ts";
import { faultTest } from "../support/fault_test.ts";
import { OriginSite, PASSWORD } from "../support/origin_site.ts";
import { readAll, writeAll } from "../support/raw_http.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { recordOutput } from "../support/witness.ts";

/** More than what lies in the buffers of a connection that nobody reads. */
const SIZE_BYTES = 32 * 1024 * 1024;
const BOUNDARY = "boundary";

/** A device in a process of its own, whose CDN is a folder. */
async function startDevice(folder: string, api: string) {
  const cdn = join(folder, "cdn");
  await Deno.mkdir(cdn);
  await Deno.writeTextFile(join(folder, "cdn.yaml"), `host: file://${cdn}\n`);
  await Deno.writeTextFile(
    join(folder, "hardware.json"),
    JSON.stringify({ cpu: "a", gpu: "b", memory: "c", driveSerial: "d" }),
  );
  const { program, args, env } = thisProgram(processEnvironment);
  const child = new Deno.Command(program, {
    args: [...args, "device", "--port", "0"],
    clearEnv: true,
    env: {
      ...env,
      RESOURCE_API_URL: api,
      CDN_CONFIG: join(folder, "cdn.yaml"),
      HARDWARE_FILE: join(folder, "hardware.json"),
      STATE_DIR: join(folder, "state"),
      MODEL_CACHE_DIR: join(folder, "models"),
    },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const listening = Promise.withResolvers<number>();
  const reading = (async () => {
    let log = "";
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      log += text;
      const [, port] = /"url":"http:\/\/127\.0\.0\.1:(\d+)"/.exec(log) ?? [];
      if (port !== undefined) listening.resolve(Number(port));
    }
    return recordOutput("log of a device that is stopped", log);
  })();
  const port = await Promise.race([listening.promise, reading.then(() => 0)]);
  let hasEnded = false;
  child.status.then(() => hasEnded = true);
  const kill = (signal: Deno.Signal) => hasEnded || child.kill(signal);
  return { port, cdn, kill, ended: Promise.all([child.status, reading]) };
}

async function post(port: number, path: string, body: BodyInit, type?: string): Promise<Response> {
  const headers: HeadersInit = type === undefined ? {} : { "content-type": type };
  return await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers, body });
}

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

async function filesUnder(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    names.push(...isDirectory ? await filesUnder(join(folder, name)) : [name]);
  }
  return names;
}

faultTest({
  area: "process",
  fault: "SIGTERM, while a caller does not go on",
  operation: "load and upload",
  outcome: "health turns to draining; after 10 s the load is cut short, and nothing is published",
}, async () => {
  await using folder = await tempFolder();
  await using origin = await OriginSite.start();
  const { email } = await origin.user("Admin");
  const { port, cdn, kill, ended } = await startDevice(folder.path, origin.url);
  try {
    const account = JSON.stringify({ email, password: PASSWORD });
    assert.equal((await (await post(port, "/login", account, "application/json")).json()).role, "Admin");
    const form = new FormData();
    form.set("data", new File([new Uint8Array(SIZE_BYTES)], "a.onnx"));
    assert.deepEqual(await (await post(port, "/upload/a.onnx", form)).json(), { status: "ok" });
    const published = await filesUnder(cdn);

    using load = await beginLoad(port);
    using upload = await beginUpload(port);
    kill("SIGTERM");
    const late = await (async () => {
      for (;;) {
        const answer = await fetch(`http://127.0.0.1:${port}/health`, { headers: { connection: "close" } });
        const text = await answer.text();
        if (answer.status !== 200) return [answer.status, text, answer.headers.get("retry-after")]; // the signal has come
      }
    })();
    assert.deepEqual(late, [503, '{"status":"draining"}', "10"]);

    const [{ code, signal }, log] = await ended;
    assert.deepEqual([code, signal], [0, null], log);
    assert.match(log, /"message":"stopped"/);
    assert.ok((await readAll(load)).length < SIZE_BYTES, "the load looks whole");
    assert.doesNotMatch(await readAll(upload), /^HTTP\/1\.1 200/);
    assert.deepEqual(await filesUnder(cdn), published);
    const { text } = await origin.call("POST", "/resources/list/models", {
      json: {},
      token: await origin.adminToken(),
    });
    assert.match(text, /a\.onnx/);
    assert.doesNotMatch(text, /half/);
  } finally {
    kill("SIGKILL");
    await ended;
  }
});
