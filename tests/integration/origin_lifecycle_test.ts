import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { type Bytes, utf8 } from "../../lib/bytes.ts";
import { ConfigurationError, ConflictError, InvalidInputError } from "../../lib/errors.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import { initOrigin } from "../../origin/init.ts";
import { runOrigin } from "../../origin/serve.ts";
import { eventually } from "../support/eventually.ts";
import { keystream } from "../support/keystream.ts";
import { fileForm, filesBelow, OriginSite, PASSWORD } from "../support/origin_site.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { testClock } from "../support/test_clock.ts";

const CHILD = new URL("../support/origin_child.ts", import.meta.url);
const OBJECT = "/objects/models/net.onnx.big";

Deno.test("origin: init makes one administrator once, in a folder for its owner only", async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, "new", "origin");
  await assert.rejects(initOrigin(dataDir, { email: "nobody" }), InvalidInputError);
  const admin = await ORIGIN_COMMANDS.init({ dataDir, email: "root@example.com" });
  assert.equal(admin.email, "root@example.com");
  assert.match(admin.password, /^[\w-]{24}$/);
  await assert.rejects(ORIGIN_COMMANDS.init({ dataDir, email: "other@example.com" }), ConflictError);
  assert.equal((Deno.statSync(dataDir).mode ?? 0) & 0o777, 0o700);
  for (const name of await filesBelow(dataDir)) {
    assert.equal((Deno.statSync(join(dataDir, name)).mode ?? 0) & 0o777, 0o600, name);
    assert.ok(!new TextDecoder().decode(Deno.readFileSync(join(dataDir, name))).includes(admin.password), name);
  }
});

Deno.test("origin: init leaves a folder alone that has another use", async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, "shared");
  await Deno.mkdir(join(dataDir, "theirs"), { recursive: true, mode: 0o755 });
  await assert.rejects(initOrigin(dataDir, { email: "root@example.com" }), ConflictError);
  assert.equal(((await Deno.stat(dataDir)).mode ?? 0) & 0o777, 0o755);
  assert.deepEqual((await Array.fromAsync(Deno.readDir(dataDir))).map(({ name }) => name), ["theirs"]);
});

Deno.test("origin: two inits at once make one administrator", async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, "origin");
  const results = await Promise.allSettled(
    ["a@example.com", "b@example.com"].map((email) => initOrigin(dataDir, { email })),
  );
  assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});

Deno.test("origin: serve and the commands refuse a folder without an origin, and leave it empty", async () => {
  await using folder = await tempFolder();
  const dataDir = folder.path;
  const attempts = [
    () => runOrigin({ dataDir, port: 0 }, new AbortController().signal, () => {}),
    () => ORIGIN_COMMANDS["rotate-keys"]({ dataDir }),
    () => ORIGIN_COMMANDS["rotate-object-tokens"]({ dataDir }),
    () => ORIGIN_COMMANDS["set-key-fragment"]({ dataDir, fragment: utf8("x") }),
  ];
  for (const attempt of attempts) await assert.rejects(attempt, ConfigurationError);
  assert.deepEqual(await filesBelow(dataDir), []);
});

Deno.test("origin: two origins cannot share one folder, but can follow each other", async () => {
  await using site = await OriginSite.start();
  const second = runOrigin({ dataDir: site.dataDir, port: 0 }, new AbortController().signal, () => {});
  await assert.rejects(second, ConflictError);
  await site.stop();
  await site.serve();
});

Deno.test("origin: another address than loopback needs a public https URL", async () => {
  await using site = await OriginSite.start();
  await site.stop();
  const serve = (publicUrl: URL | undefined, host: string) =>
    runOrigin(
      { dataDir: site.dataDir, host, port: 0, ...(publicUrl ? { publicUrl } : {}) },
      AbortSignal.abort(),
      () => {},
    );
  await assert.rejects(serve(undefined, "0.0.0.0"), ConfigurationError);
  await assert.rejects(serve(new URL("http://vendor.example"), "127.0.0.1"), ConfigurationError);
  await serve(new URL("https://vendor.example/tally/"), "127.0.0.1");
  await site.serve();
});

Deno.test("origin: a restart loses nothing", async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("ResourceUploader");
  const { writer } = await site.objectTokens();
  await site.call("POST", "/resources/models", { token, body: fileForm(utf8("small"), "a.small") });
  await site.call("POST", "/resources/check", { token, json: { hardware: "one" } });
  const put = await site.call("PUT", OBJECT, {
    token: writer,
    body: "big",
    headers: { "x-tally-small-sha256": "0".repeat(64) },
  });
  const fragment = (await site.call("GET", "/binary-split/key-fragment", { token })).bytes;
  assert.equal(fragment.byteLength, 32);

  await site.stop();
  await site.serve();
  assert.deepEqual((await site.call("GET", "/binary-split/key-fragment", { token })).bytes, fragment);
  assert.deepEqual((await site.call("POST", "/resources/list/models", { token })).json(), ["a.small"]);
  assert.equal((await site.call("POST", "/resources/check", { token, json: { hardware: "two" } })).status, 409);
  const get = await site.call("GET", OBJECT, { token: writer });
  assert.equal(get.text, "big");
  assert.equal(get.headers.get("etag"), put.headers.get("etag"));
  assert.equal(get.headers.get("x-tally-small-sha256"), "0".repeat(64));
  await site.signIn("resourceuploader@example.com", PASSWORD);
});

Deno.test("origin: rotate-keys takes effect in a running origin, and old tokens stay good", async () => {
  await using site = await OriginSite.start();
  const token = await site.adminToken();
  const { kid } = await ORIGIN_COMMANDS["rotate-keys"]({ dataDir: site.dataDir });
  const { keys } = (await site.call("GET", "/.well-known/jwks.json")).json<{ keys: { kid: string }[] }>();
  assert.deepEqual([keys.length, keys[0]?.kid], [2, kid]);
  const fresh = await site.adminToken();
  assert.equal(JSON.parse(atob(fresh.split(".")[0] ?? "")).kid, kid);
  for (const either of [token, fresh]) {
    assert.equal((await site.call("GET", "/users/current", { token: either })).status, 200);
  }
});

Deno.test("origin: set-key-fragment gives a fleet that exists its own, byte for byte", async () => {
  await using site = await OriginSite.start();
  const token = await site.adminToken();
  const fragment = new Uint8Array([0, 1, 255, 10]);
  await ORIGIN_COMMANDS["set-key-fragment"]({ dataDir: site.dataDir, fragment });
  const reply = await site.call("GET", "/binary-split/key-fragment", { token });
  assert.deepEqual(reply.bytes, fragment);
  assert.equal(reply.headers.get("content-type"), "application/octet-stream");
  assert.equal(reply.headers.get("cache-control"), "no-store");
  for (const sizeBytes of [0, 64 * 1024 + 1]) {
    const refused = ORIGIN_COMMANDS["set-key-fragment"]({ dataDir: site.dataDir, fragment: new Uint8Array(sizeBytes) });
    await assert.rejects(refused, InvalidInputError);
  }
});

Deno.test("origin: stopping lets a running request finish", async () => {
  await using site = await OriginSite.start();
  const { writer } = await site.objectTokens();
  const upload = new Upload(site.url, writer, 1000);
  await upload.send(utf8("x".repeat(500)));
  await eventually(
    "the upload has begun",
    async () => (await filesBelow(site.dataDir)).some((path) => path.endsWith(".partial")),
  );
  const stopping = site.stop();
  await upload.send(utf8("x".repeat(500)));
  assert.match(await upload.answer(), /^HTTP\/1\.1 201 /);
  upload.destroy();
  await stopping;
  await site.serve();
  assert.equal((await site.call("GET", OBJECT, { token: writer })).bytes.byteLength, 1000);
});

Deno.test("origin: stopping gives up a request that hangs, and leaves nothing of it", async () => {
  await using site = await OriginSite.start({ clock: testClock() }); // its ten seconds pass at once
  const { writer } = await site.objectTokens();
  const files = async () => (await filesBelow(site.dataDir)).filter((path) => path.startsWith("objects/"));
  const upload = new Upload(site.url, writer, 1000);
  await upload.send(utf8("x".repeat(500)));
  await eventually("the upload has begun", async () => (await files()).length > 0);
  await site.stop();
  await eventually("the temporary file is gone", async () => (await files()).length === 0);
  upload.destroy();
  await site.serve();
  assert.equal((await site.call("GET", OBJECT, { token: writer })).status, 404);
});

Deno.test("origin: kill -9 at any point of a PUT leaves the old object or the new one", async () => {
  await using site = await OriginSite.start();
  const { writer } = await site.objectTokens();
  await site.call("PUT", OBJECT, { token: writer, body: "old" });
  await site.stop();
  const body = keystream("new", 4_000_000);
  const seen = new Set<string>();
  // Bytes sent before the kill, and milliseconds after the last of them: from before the first byte to after the answer.
  for (
    const [sentBytes, pauseMs] of [[0, 0], [1_000_000, 0], [4_000_000, 0], [4_000_000, 5], [4_000_000, 15], [
      4_000_000,
      400,
    ]] as const
  ) {
    const child = await OriginChild.start(site.dataDir);
    const upload = new Upload(child.url, writer, body.byteLength);
    await upload.send(body.subarray(0, sentBytes));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    await child.kill();
    upload.destroy();

    await site.serve();
    const { status, bytes, headers } = await site.call("GET", OBJECT, { token: writer });
    assert.equal(status, 200);
    const isNew = bytes.byteLength === body.byteLength;
    assert.deepEqual(bytes, isNew ? body : utf8("old"), `killed after ${sentBytes} bytes and ${pauseMs} ms`);
    const digest = createHash("sha256").update(bytes).digest("base64");
    assert.equal(headers.get("repr-digest"), `sha-256=:${digest}:`);
    const files = (await filesBelow(site.dataDir)).filter((path) => path.startsWith("objects/"));
    assert.equal(files.length, 1, `left over: ${files}`);
    seen.add(isNew ? "new" : "old");
    await site.call("PUT", OBJECT, { token: writer, body: "old" });
    await site.stop();
  }
  assert.deepEqual([...seen].sort(), ["new", "old"]);
  await site.serve();
});

/** A PUT of which each byte is sent by hand. */
class Upload {
  readonly #socket: Socket;

  constructor(url: string, token: string, sizeBytes: number) {
    const { hostname, port } = new URL(url);
    this.#socket = connect(Number(port), hostname);
    this.#socket.on("error", () => this.#socket.destroy()); // the server was killed
    const head = [
      `PUT ${OBJECT} HTTP/1.1`,
      "Host: x",
      `Authorization: Bearer ${token}`,
      `Content-Length: ${sizeBytes}`,
    ];
    this.#socket.write(`${head.join("\r\n")}\r\n\r\n`);
  }

  send(bytes: Bytes): Promise<void> {
    return new Promise((resolve) => this.#socket.write(bytes, () => resolve()));
  }

  answer(): Promise<string> {
    return new Promise((resolve) =>
      this.#socket.once("data", (data: Uint8Array) => resolve(new TextDecoder().decode(data)))
    );
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** An origin in a process of its own. */
class OriginChild {
  readonly url: string;
  readonly #process: Deno.ChildProcess;

  private constructor(process: Deno.ChildProcess, url: string) {
    this.#process = process;
    this.url = url;
  }

  static async start(dataDir: string): Promise<OriginChild> {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--quiet", CHILD.href, dataDir],
      stdout: "piped",
      stderr: "inherit",
    });
    const process = command.spawn();
    const reader = process.stdout.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return new OriginChild(process, new TextDecoder().decode(value).trim());
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
  }
}
