import assert from "node:assert/strict";
import { HttpStore } from "../../../../lib/cdn/http.ts";
import { Secret } from "../../../../lib/config/secret.ts";
import {
  ConflictError,
  IntegrityError,
  NotAllowedError,
  UnavailableError,
  UpstreamError,
} from "../../../../lib/errors.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import { collect } from "../../../../lib/streams.ts";
import { sourceOf } from "../../../support/object_source.ts";
import { type TestClock, testClock } from "../../../support/test_clock.ts";

const TEXT = "0123456789";
const LENGTH = { "content-length": "10" };
const ETAG = { etag: '"one"' };

interface Site extends AsyncDisposable {
  readonly store: HttpStore;
  readonly requests: { readonly path: string; readonly headers: Headers }[];
  readonly clock: TestClock;
}

/** A store on a server that answers as a test says. */
function site(handler: (request: Request) => Response | Promise<Response>): Site {
  const requests: { path: string; headers: Headers }[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    requests.push({ path: new URL(request.url).pathname, headers: new Headers(request.headers) });
    return handler(request);
  });
  const baseUrl = new URL(`http://127.0.0.1:${server.addr.port}/cdn/`);
  const clock = testClock();
  const tokens = { downloader: new Secret("down-hush"), uploader: new Secret("up-hush") };
  const store = new HttpStore({ kind: "http", baseUrl, ...tokens }, { http: httpClient("CDN"), clock });
  return { store, requests, clock, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("HttpStore asks for the bytes as they are, at the path of bucket and key, with its token", async () => {
  await using server = site(() => new Response(TEXT, { headers: { ...LENGTH, ...ETAG } }));
  const { body } = await server.store.get("models", "a.big", { ifMatch: "one" });
  assert.equal((await collect(body, 10)).byteLength, 10);
  const [request] = server.requests;
  assert.equal(request?.path, "/cdn/models/a.big");
  const headers = ["accept-encoding", "if-match", "authorization"].map((name) => request?.headers.get(name));
  assert.deepEqual(headers, ["identity", '"one"', "Bearer down-hush"]);
});

Deno.test("HttpStore.get() hands no wrong bytes over, whatever the server answers", async () => {
  const range = { start: 2, end: 5 };
  const part = (contentRange: string, text = "234") =>
    new Response(text, {
      status: 206,
      headers: { ...ETAG, "content-length": String(text.length), "content-range": contentRange },
    });
  const answers: [what: string, answer: () => Response, error: typeof UpstreamError | typeof ConflictError][] = [
    ["another range", () => part("bytes 3-5/10"), UpstreamError],
    ["a shorter range", () => part("bytes 2-3/10", "23"), UpstreamError],
    ["a range of another length than it says", () => part("bytes 2-4/10", "23"), UpstreamError],
    ["a range of an object that is shorter than its end", () => part("bytes 2-4/4"), UpstreamError],
    ["several ranges", () => part("", "--x"), UpstreamError],
    ["no ETag", () => new Response(TEXT, { headers: LENGTH }), UpstreamError],
    ["a weak ETag", () => new Response(TEXT, { headers: { ...LENGTH, etag: 'W/"one"' } }), UpstreamError],
    ["a broken ETag", () => new Response(TEXT, { headers: { ...LENGTH, etag: "one" } }), UpstreamError],
    [
      "another object, in spite of If-Match",
      () => new Response(TEXT, { headers: { ...LENGTH, etag: '"two"' } }),
      ConflictError,
    ],
    ["no length", () => new Response(new Blob([TEXT]).stream(), { headers: ETAG }), UpstreamError],
    ["204", () => new Response(null, { status: 204 }), UpstreamError],
    ["a redirect", () => new Response(null, { status: 302, headers: { location: "/elsewhere" } }), UpstreamError],
  ];
  for (const [what, answer, error] of answers) {
    await using server = site(answer);
    await assert.rejects(server.store.get("models", "a.big", { range, ifMatch: "one" }), error, what);
  }
});

Deno.test("HttpStore.get() takes no partial answer that it did not ask for", async () => {
  await using server = site(() =>
    new Response("234", { status: 206, headers: { ...ETAG, "content-length": "3", "content-range": "bytes 2-4/10" } })
  );
  await assert.rejects(server.store.get("models", "a.big"), UpstreamError);
});

Deno.test("HttpStore.get() refuses a compressed answer", async () => {
  const compressed = new Blob([TEXT]).stream().pipeThrough(new CompressionStream("gzip"));
  const bytes = await new Response(compressed).bytes();
  const headers = { ...ETAG, "content-encoding": "gzip", "content-length": String(bytes.byteLength) };
  await using server = site(() => new Response(bytes, { headers }));
  await assert.rejects(server.store.get("models", "a.big"), UpstreamError);
});

Deno.test("HttpStore repeats calls that failed in passing, and not those that were refused", async () => {
  for (const status of [408, 429, 500, 502, 503, 504]) {
    await using server = site(() => new Response(null, { status }));
    await assert.rejects(server.store.head("models", "a.big"), UnavailableError, String(status));
    await assert.rejects(server.store.put("models", "a.big", sourceOf(new Uint8Array(10))), UnavailableError);
    assert.deepEqual([server.requests.length, server.clock.sleeps.length], [6, 4]);
  }
  for (const status of [401, 403]) {
    await using server = site(() => new Response(null, { status }));
    await assert.rejects(server.store.head("models", "a.big"), NotAllowedError);
    assert.equal(server.requests.length, 1);
  }
});

Deno.test("HttpStore.put() sends length and digest, and sends everything again after a hiccup", async () => {
  let calls = 0;
  const bodies: string[] = [];
  await using server = site(async (request) => {
    if (request.method === "HEAD") return new Response(null, { headers: { ...LENGTH, ...ETAG } });
    bodies.push(await request.text());
    return new Response(null, { status: ++calls === 1 ? 503 : 201 });
  });
  const source = sourceOf(new TextEncoder().encode(TEXT));
  const facts = await server.store.put("models", "a.big", source, { pairedWith: "ab".repeat(32) });
  assert.deepEqual(facts, { sizeBytes: 10, etag: "one", digests: {} });
  assert.deepEqual(bodies, [TEXT, TEXT]);
  const expected = {
    "content-length": "10",
    "authorization": "Bearer up-hush",
    "repr-digest": "sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:", // by OpenSSL
    "x-tally-small-sha256": "ab".repeat(32),
  };
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(server.requests[1]?.headers.get(name), value, name);
  }
});

Deno.test("HttpStore.put() fails when the server does not hold what was sent", async () => {
  for (const headers of [{ ...ETAG, "content-length": "9" }, { ...ETAG, ...LENGTH, "repr-digest": OTHER_DIGEST }]) {
    await using server = site(async (request) => {
      await request.body?.cancel();
      return request.method === "PUT" ? new Response(null, { status: 201 }) : new Response(null, { headers });
    });
    await assert.rejects(server.store.put("models", "a.big", sourceOf(new Uint8Array(10))), IntegrityError);
  }
});

const OTHER_DIGEST = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

Deno.test("HttpStore.list() takes a list of big parts and nothing else", async () => {
  for (const text of ["<html>", "[]", "{}", '{"keys":[{"key":"a"}]}', '{"keys":[{"key":"a","sizeBytes":-1}]}']) {
    await using server = site(() => new Response(text));
    await assert.rejects(Array.fromAsync(server.store.list("models")), UpstreamError, text);
  }
});

Deno.test("HttpStore reads Repr-Digest and x-tally-small-sha256, and passes over what is neither", async () => {
  const digests = [OTHER_DIGEST, `sha-512=:AAAA:, ${OTHER_DIGEST}`, "sha-256=:short=:", "md5=:AAAA:"];
  const sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  const expected = [{ sha256 }, { sha256 }, {}, {}];
  for (const [index, digest] of digests.entries()) {
    const headers = { ...LENGTH, ...ETAG, "repr-digest": digest, "x-tally-small-sha256": "no hash" };
    await using server = site(() => new Response(null, { headers }));
    const facts = await server.store.head("models", "a.big");
    assert.deepEqual(facts, { sizeBytes: 10, etag: "one", digests: expected[index] });
  }
});
