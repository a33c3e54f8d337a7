import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { join } from "node:path";
import { type Bytes, utf8 } from "../../lib/bytes.ts";
import { ORIGIN_COMMANDS } from "../../origin/commands.ts";
import { eventually } from "../support/eventually.ts";
import { HOSTILE_NAMES } from "../support/hostile_names.ts";
import { keystream } from "../support/keystream.ts";
import { filesBelow, OriginSite } from "../support/origin_site.ts";
import { testClock } from "../support/test_clock.ts";

const PAIRED = "ab".repeat(32);
const OBJECT = "/objects/models/net.onnx.big";

function digest(bytes: Uint8Array): string {
  return `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;
}

async function blobs(site: OriginSite): Promise<string[]> {
  return (await filesBelow(site.dataDir)).filter((path) => path.startsWith("objects/"));
}

Deno.test("origin objects: what is put comes back with its facts, by GET and HEAD", async () => {
  await using site = await OriginSite.start();
  const { reader, writer } = await site.objectTokens();
  for (const sizeBytes of [0, 1, 1_000_000]) {
    const bytes = keystream("object", sizeBytes);
    const put = await site.call("PUT", OBJECT, {
      token: writer,
      body: bytes,
      headers: { "x-tally-small-sha256": PAIRED, "repr-digest": digest(bytes) },
    });
    assert.equal(put.status, sizeBytes === 0 ? 201 : 204, put.text);
    const get = await site.call("GET", OBJECT, { token: reader });
    const head = await site.call("HEAD", OBJECT, { token: reader });
    assert.deepEqual(get.bytes, bytes);
    assert.equal(head.bytes.byteLength, 0);
    for (const { status, headers } of [get, head]) {
      assert.equal(status, 200);
      assert.equal(headers.get("content-length"), String(sizeBytes));
      assert.equal(headers.get("etag"), put.headers.get("etag"));
      assert.match(headers.get("etag") ?? "", /^"[0-9a-f]{32}"$/);
      assert.equal(headers.get("repr-digest"), digest(bytes));
      assert.equal(headers.get("x-tally-small-sha256"), PAIRED);
      assert.equal(headers.get("accept-ranges"), "bytes");
      assert.equal(headers.get("content-encoding"), null);
    }
  }
  assert.equal((await blobs(site)).length, 1, "replaced objects are removed");
});

Deno.test("origin objects: a new write is a new ETag and forgets the old pairing", async () => {
  await using site = await OriginSite.start();
  const { writer } = await site.objectTokens();
  const first = await site.call("PUT", OBJECT, {
    token: writer,
    body: "x",
    headers: { "x-tally-small-sha256": PAIRED },
  });
  const second = await site.call("PUT", OBJECT, { token: writer, body: "x" });
  assert.notEqual(first.headers.get("etag"), second.headers.get("etag"));
  assert.equal(second.headers.get("x-tally-small-sha256"), null);
});

Deno.test("origin objects: ranges and conditions", async () => {
  await using site = await OriginSite.start();
  const { reader, writer } = await site.objectTokens();
  const put = await site.call("PUT", OBJECT, { token: writer, body: "0123456789" });
  const etag = put.headers.get("etag") ?? "";
  const cases: readonly [headers: Record<string, string>, status: number, text: string, contentRange: string | null][] =
    [
      [{ range: "bytes=0-3" }, 206, "0123", "bytes 0-3/10"],
      [{ range: "bytes=8-" }, 206, "89", "bytes 8-9/10"],
      [{ range: "bytes=8-100" }, 206, "89", "bytes 8-9/10"],
      [{ range: "bytes=-3" }, 206, "789", "bytes 7-9/10"],
      [{ range: "bytes=-100" }, 206, "0123456789", "bytes 0-9/10"],
      [{ range: "bytes=10-" }, 416, "", "bytes */10"],
      [{ range: "bytes=-0" }, 416, "", "bytes */10"],
      [{ range: "bytes=3-1" }, 200, "0123456789", null],
      [{ range: "bytes=0-1,3-4" }, 200, "0123456789", null],
      [{ range: "lines=0-1" }, 200, "0123456789", null],
      [{ range: "bytes=0-3", "if-range": etag }, 206, "0123", "bytes 0-3/10"],
      [{ range: "bytes=0-3", "if-range": '"other"' }, 200, "0123456789", null],
      [{ range: "bytes=0-3", "if-match": etag }, 206, "0123", "bytes 0-3/10"],
      [{ range: "bytes=0-3", "if-none-match": etag }, 304, "", null],
      [{ "if-match": "*" }, 200, "0123456789", null],
      [{ "if-none-match": '"other"' }, 200, "0123456789", null],
      [{ "if-none-match": `W/${etag}` }, 304, "", null],
    ];
  for (const [headers, status, text, contentRange] of cases) {
    const reply = await site.call("GET", OBJECT, { token: reader, headers });
    const what = JSON.stringify(headers);
    assert.equal(reply.status, status, what);
    assert.equal(reply.text, text, what);
    assert.equal(reply.headers.get("content-range"), contentRange, what);
    assert.equal(reply.headers.get("etag"), etag, what);
  }
  const stale = await site.call("GET", OBJECT, { token: reader, headers: { "if-match": '"other"' } });
  assert.equal(stale.status, 412);
  const head = await site.call("HEAD", OBJECT, { token: reader, headers: { range: "bytes=0-3" } });
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, "10"]);
});

Deno.test("origin objects: conditional writes and removals", async () => {
  await using site = await OriginSite.start();
  const { reader, writer } = await site.objectTokens();
  const put = (headers: Record<string, string>, body = "x") =>
    site.call("PUT", OBJECT, { token: writer, headers, body });
  assert.equal((await put({ "if-match": "*" })).status, 412);
  const first = await put({ "if-none-match": "*" }, "first");
  assert.equal(first.status, 201);
  assert.equal((await put({ "if-none-match": "*" }, "second")).status, 412);
  assert.equal((await put({ "if-match": '"other"' }, "second")).status, 412);
  assert.equal((await site.call("GET", OBJECT, { token: reader })).text, "first");
  const second = await put({ "if-match": first.headers.get("etag") ?? "" }, "second");
  assert.equal(second.status, 204);
  const remove = (headers: Record<string, string> = {}) => site.call("DELETE", OBJECT, { token: writer, headers });
  assert.equal((await remove({ "if-match": first.headers.get("etag") ?? "" })).status, 412);
  assert.equal((await remove()).status, 204);
  assert.equal((await remove()).status, 204);
  assert.equal((await site.call("GET", OBJECT, { token: reader })).status, 404);
  assert.equal((await site.call("HEAD", OBJECT, { token: reader })).status, 404);
  assert.deepEqual(await blobs(site), []);
});

Deno.test("origin objects: a refused PUT leaves the old object and no file", async () => {
  await using site = await OriginSite.start();
  const { reader, writer } = await site.objectTokens();
  await site.call("PUT", OBJECT, { token: writer, body: "old" });
  const before = await blobs(site);
  const cases: readonly [status: number, Record<string, string>][] = [
    [422, { "repr-digest": digest(utf8("other")) }],
    [422, { "content-digest": digest(utf8("other")) }],
    [400, { "content-digest": "sha-256=:AAAA:" }],
    [400, { "content-digest": digest(utf8("new")), "repr-digest": digest(utf8("other")) }],
    [400, { "content-range": "bytes 0-2/10" }],
    [400, { "content-encoding": "gzip" }],
    [422, { "x-tally-small-sha256": "abc" }],
    [422, { "x-tally-small-sha256": PAIRED.toUpperCase() }],
  ];
  for (const [status, headers] of cases) {
    const reply = await site.call("PUT", OBJECT, { token: writer, body: "new", headers });
    assert.equal(reply.status, status, `${JSON.stringify(headers)}: ${reply.text}`);
  }
  assert.equal((await site.call("GET", OBJECT, { token: reader })).text, "old");
  assert.deepEqual(await blobs(site), before);
});

Deno.test("origin objects: a connection that breaks within a PUT leaves the old object", async () => {
  await using site = await OriginSite.start();
  const { reader, writer } = await site.objectTokens();
  await site.call("PUT", OBJECT, { token: writer, body: "old" });
  const before = await blobs(site);
  const { hostname, port } = new URL(site.url);
  const socket = connect(Number(port), hostname);
  const head = [`PUT ${OBJECT} HTTP/1.1`, "Host: x", `Authorization: Bearer ${writer}`, "Content-Length: 1000000"];
  socket.write(`${head.join("\r\n")}\r\n\r\n${"x".repeat(500_000)}`);
  await eventually("a temporary file is there", async () => (await blobs(site)).length > before.length);
  socket.destroy();
  await eventually("the temporary file is gone", async () => (await blobs(site)).length === before.length);
  assert.equal((await site.call("GET", OBJECT, { token: reader })).text, "old");
});

Deno.test("origin objects: who reads an object that is replaced gets the old one whole", async () => {
  await using site = await OriginSite.start();
  const { reader, writer } = await site.objectTokens();
  const old = keystream("old", 20_000_000);
  await site.call("PUT", OBJECT, { token: writer, body: old });
  const response = await fetch(site.url + OBJECT, { headers: { authorization: `Bearer ${reader}` } });
  await site.call("PUT", OBJECT, { token: writer, body: "new" });
  assert.deepEqual(new Uint8Array(await response.arrayBuffer()), old);
  assert.equal((await site.call("GET", OBJECT, { token: reader })).text, "new");
});

Deno.test("origin objects: a reader that leaves early holds nothing open", async () => {
  await using site = await OriginSite.start();
  const { reader, writer } = await site.objectTokens();
  await site.call("PUT", OBJECT, { token: writer, body: keystream("left", 20_000_000) });
  for (let count = 0; count < 20; count++) {
    const response = await fetch(site.url + OBJECT, { headers: { authorization: `Bearer ${reader}` } });
    await response.body?.cancel();
  }
  const open = async () => {
    const targets = await Array.fromAsync(
      Deno.readDir("/proc/self/fd"),
      ({ name }) => linkTarget(`/proc/self/fd/${name}`),
    );
    return targets.filter((target) => target.includes(join(site.dataDir, "objects")));
  };
  if (Deno.build.os === "linux") await eventually("no object is open", async () => (await open()).length === 0);
});

Deno.test("origin objects: readers and writers at once see whole objects only", async () => {
  await using site = await OriginSite.start();
  const { reader, writer } = await site.objectTokens();
  const bodies = Array.from({ length: 12 }, (_, index) => keystream(`body ${index}`, 100_000 + index));
  const known = new Set(bodies.map((bytes) => digest(bytes)));
  await site.call("PUT", OBJECT, { token: writer, body: bodies[0] ?? "" });
  const check = async () => {
    const { status, bytes, headers } = await site.call("GET", OBJECT, { token: reader });
    assert.equal(status, 200);
    assert.ok(known.has(digest(bytes)));
    assert.equal(headers.get("repr-digest"), digest(bytes));
  };
  await Promise.all(bodies.flatMap((body) => [site.call("PUT", OBJECT, { token: writer, body }), check(), check()]));
  assert.equal((await blobs(site)).length, 1);
});

Deno.test("origin objects: a bucket lists its keys in order", async () => {
  await using site = await OriginSite.start();
  const { reader, writer } = await site.objectTokens();
  for (const key of ["b", "a", "B"]) await site.call("PUT", `/objects/one/${key}`, { token: writer, body: "xyz" });
  await site.call("PUT", "/objects/two/c", { token: writer, body: "" });
  const list = async (bucket: string) => (await site.call("GET", `/objects/${bucket}`, { token: reader })).json();
  assert.deepEqual(await list("one"), {
    keys: [{ key: "B", sizeBytes: 3 }, { key: "a", sizeBytes: 3 }, { key: "b", sizeBytes: 3 }],
  });
  assert.deepEqual(await list("two"), { keys: [{ key: "c", sizeBytes: 0 }] });
  assert.deepEqual(await list("three"), { keys: [] });
});

Deno.test("origin objects: each token may do its part and no more", async () => {
  await using site = await OriginSite.start();
  const { reader, writer } = await site.objectTokens();
  const jwt = await site.adminToken();
  const calls = [["GET", OBJECT], ["HEAD", OBJECT], ["GET", "/objects/models"], ["PUT", OBJECT], [
    "DELETE",
    OBJECT,
  ]] as const;
  await site.call("PUT", OBJECT, { token: writer, body: "x" });
  for (const [method, path] of calls) {
    const status = async (token: string | undefined) => {
      const body = method === "PUT" ? { body: "x" } : {};
      return (await site.call(method, path, { ...(token === undefined ? {} : { token }), ...body })).status;
    };
    for (const wrong of [undefined, "x", jwt, reader.slice(1), `${writer}0`]) {
      assert.equal(await status(wrong), 401, `${method} ${path} with ${wrong}`);
    }
    const reads = method === "GET" || method === "HEAD";
    assert.equal(await status(reader), reads ? 200 : 403, `${method} ${path} as reader`);
    assert.ok([200, 204].includes(await status(writer)), `${method} ${path} as writer`);
  }
});

Deno.test("origin objects: rotated tokens and signing keys take effect in a running origin", async () => {
  await using site = await OriginSite.start();
  const old = await site.objectTokens();
  await site.call("PUT", OBJECT, { token: old.writer, body: "x" });
  const signed = await sign(site, { method: "GET", bucket: "models", key: "net.onnx.big" });
  assert.equal((await fetchSigned(signed.url)).status, 200);
  await ORIGIN_COMMANDS["rotate-object-tokens"]({ dataDir: site.dataDir });
  const fresh = await site.objectTokens();
  assert.equal((await site.call("GET", OBJECT, { token: old.reader })).status, 401);
  assert.equal((await site.call("GET", OBJECT, { token: old.writer })).status, 401);
  assert.equal((await site.call("GET", OBJECT, { token: fresh.reader })).status, 200);
  assert.equal((await fetchSigned(signed.url)).status, 401);
});

Deno.test("origin objects: a signed URL allows its method on its object until it expires", async () => {
  const clock = testClock();
  await using site = await OriginSite.start({ clock });
  const put = await sign(site, { method: "PUT", bucket: "models", key: "a.big" });
  assert.equal(put.expires, clock.now() / 1000 + 3600);
  assert.equal((await fetchSigned(put.url, "PUT", "signed")).status, 201);
  const get = await sign(site, { method: "GET", bucket: "models", key: "a.big", expiresInSeconds: 60 });
  const answer = await fetchSigned(get.url);
  assert.deepEqual([answer.status, answer.text], [200, "signed"]);
  assert.equal((await fetchSigned(get.url, "HEAD")).status, 200);

  const url = new URL(get.url);
  const changed = (change: (url: URL) => void) => {
    const other = new URL(url);
    change(other);
    return other.href;
  };
  const forgeries: readonly [string, string, string][] = [
    ["another method", "PUT", get.url],
    ["another method", "DELETE", get.url],
    ["a read with a permit to write", "GET", put.url],
    ["another object", "GET", changed((other) => other.pathname = "/objects/models/b.big")],
    ["the bucket", "GET", changed((other) => other.pathname = "/objects/models")],
    ["a later expiry", "GET", changed((other) => other.searchParams.set("expires", String(get.expires + 1)))],
    ["no expiry", "GET", changed((other) => other.searchParams.delete("expires"))],
    ["no signature", "GET", changed((other) => other.searchParams.set("signature", ""))],
    ["another signature", "GET", changed((other) => other.searchParams.set("signature", "A".repeat(43)))],
  ];
  for (const [what, method, forged] of forgeries) {
    assert.equal((await fetchSigned(forged, method, method === "PUT" ? "x" : undefined)).status, 401, what);
  }
  clock.advance(60_000);
  assert.equal((await fetchSigned(get.url)).status, 401);
});

Deno.test("origin objects: POST /objects/sign gives writing permits to uploaders only, and refuses bad input", async () => {
  await using site = await OriginSite.start();
  const { token } = await site.user("Operator");
  const ask = async (json: unknown) => (await site.call("POST", "/objects/sign", { token, json })).status;
  const good = { method: "GET", bucket: "models", key: "a" };
  assert.equal(await ask(good), 200);
  assert.equal(await ask({ ...good, method: "PUT" }), 403);
  assert.equal(await ask({ ...good, method: "DELETE" }), 403);
  for (
    const change of [{ method: "POST" }, { bucket: ".." }, { key: "a/b" }, { key: 7 }, { expiresInSeconds: 0 }, {
      expiresInSeconds: 1e9,
    }]
  ) {
    assert.equal(await ask({ ...good, ...change }), 422, JSON.stringify(change));
  }
});

Deno.test("origin objects: hostile names reach nothing", async () => {
  await using site = await OriginSite.start();
  const { writer } = await site.objectTokens();
  const before = await filesBelow(join(site.dataDir, ".."));
  for (const name of HOSTILE_NAMES.filter((name) => !["", ".", ".."].includes(name) && name.length < 100)) {
    for (const path of [`/objects/${encodeURIComponent(name)}/key`, `/objects/bucket/${encodeURIComponent(name)}`]) {
      for (const method of ["PUT", "GET", "DELETE"]) {
        const { status } = await site.call(method, path, { token: writer, ...(method === "PUT" ? { body: "x" } : {}) });
        assert.equal(status, 422, `${method} ${path}`);
      }
    }
  }
  assert.deepEqual(await filesBelow(join(site.dataDir, "..")), before);
});

interface SignRequest {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly expiresInSeconds?: number;
}

async function sign(site: OriginSite, request: SignRequest): Promise<{ url: string; expires: number }> {
  const reply = await site.call("POST", "/objects/sign", { token: await site.adminToken(), json: request });
  assert.equal(reply.status, 200, reply.text);
  return reply.json();
}

async function fetchSigned(
  url: string,
  method = "GET",
  body?: string | Bytes,
): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { method, body: body ?? null });
  return { status: response.status, text: await response.text() };
}

function linkTarget(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return ""; // closed since it was listed
    throw error;
  }
}
