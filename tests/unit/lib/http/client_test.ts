import assert from "node:assert/strict";
import { utf8 } from "../../../../lib/bytes.ts";
import {
  ConfigurationError,
  IntegrityError,
  InterruptedError,
  TallyError,
  UnavailableError,
  UpstreamError,
  UpstreamTimeoutError,
} from "../../../../lib/errors.ts";
import { httpClient } from "../../../../lib/http/client.ts";
import { byteReader, byteStream, collect, streamOf } from "../../../../lib/streams.ts";
import { tcpServer } from "../../../support/tcp_server.ts";

const http = httpClient("API");
const LIMIT_BYTES = 10 * 1024 * 1024;

function serve(handler: (request: Request) => Response | Promise<Response>): { url: URL } & AsyncDisposable {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  const url = new URL(`http://127.0.0.1:${server.addr.port}/path?signature=s3cret`);
  return { url, [Symbol.asyncDispose]: () => server.shutdown() };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("httpClient() sends method, headers and body, and gives any status with its headers and body", async () => {
  await using server = serve(async (request) =>
    new Response(`${request.method} ${request.headers.get("x-a")} ${await request.text()}`, {
      status: 418,
      headers: { "x-b": "2" },
    })
  );
  for (const body of ["text", utf8("text"), streamOf(utf8("te"), utf8("xt"))]) {
    const answer = await http(server.url, { method: "PUT", headers: { "x-a": "1" }, body });
    assert.deepEqual([answer.status, answer.headers.get("x-b")], [418, "2"]);
    assert.deepEqual(await collect(answer.body, 100), utf8("PUT 1 text"));
  }
});

Deno.test("httpClient() sends large bytes, and a stream of known size, with their length", async () => {
  await using server = serve(async (request) =>
    new Response(`${request.headers.get("content-length")} ${(await request.arrayBuffer()).byteLength}`)
  );
  const bytes = new Uint8Array(1_000_000);
  const stream = () => streamOf(bytes.slice(0, 400_000), bytes.slice(400_000));
  const requests = [{ body: bytes }, { body: bytes }, { body: stream(), bodyBytes: 1_000_000 }];
  for (const request of requests) {
    const answer = await http(server.url, { method: "PUT", ...request });
    assert.deepEqual(await collect(answer.body, 100), utf8("1000000 1000000"));
  }
  assert.equal(bytes.byteLength, 1_000_000, "the memory is still the caller's");
});

Deno.test("httpClient() makes no buffer for an answer that says it is empty", async () => {
  await using server = serve(() => new Response(null, { headers: { "content-length": "0" } }));
  const before = Deno.memoryUsage().external;
  for (let calls = 0; calls < 100; calls++) {
    assert.equal((await collect((await http(server.url)).body, 10)).byteLength, 0);
  }
  assert.ok(Deno.memoryUsage().external - before < 4 * 1024 * 1024, "it were 25 MiB");
});

Deno.test("httpClient() gives an empty body where there is none", async () => {
  await using server = serve(() => new Response(null, { status: 204 }));
  assert.equal((await collect((await http(server.url)).body, 10)).byteLength, 0);
  assert.equal((await collect((await http(server.url, { method: "HEAD" })).body, 10)).byteLength, 0);
});

Deno.test("httpClient() gives a large body whole", async () => {
  const bytes = new Uint8Array(3 * 1024 * 1024).map((_, index) => index % 253);
  await using server = serve(() => new Response(bytes));
  assert.deepEqual(await collect((await http(server.url)).body, LIMIT_BYTES), bytes);
});

Deno.test("httpClient() gives a body of any size to a reader of any size", async () => {
  await using server = serve((request) => new Response(new Uint8Array(Number(request.headers.get("x-size"))).fill(7)));
  for (const sizeBytes of [0, 1, 1000, 16_384, 16_385, 262_144, 262_145, 1_000_000]) {
    for (const readBytes of [999, 1000, 16_384, 262_144, 1_048_576]) {
      const { body } = await http(server.url, { headers: { "x-size": String(sizeBytes) } });
      const reader = byteReader(body);
      let seenBytes = 0;
      for (let piece = await reader.read(readBytes); piece.byteLength > 0; piece = await reader.read(readBytes)) {
        assert.ok(piece.every((byte) => byte === 7));
        seenBytes += piece.byteLength;
        assert.ok(piece.byteLength === readBytes || seenBytes === sizeBytes, "only the last piece is shorter");
      }
      assert.equal(seenBytes, sizeBytes, `${sizeBytes} bytes in pieces of ${readBytes}`);
    }
  }
});

Deno.test("httpClient() does not follow a redirect: nothing reaches the other place", async () => {
  let reached = 0;
  await using other = serve(() => {
    reached++;
    return new Response();
  });
  for (const status of [301, 302, 303, 307, 308]) {
    await using server = serve(() => new Response("moved", { status, headers: { location: other.url.href } }));
    await assert.rejects(http(server.url, { headers: { authorization: "Bearer a" } }), UpstreamError, String(status));
  }
  assert.equal(reached, 0);
});

Deno.test("httpClient() gives 304 to the caller", async () => {
  await using server = serve(() => new Response(null, { status: 304 }));
  assert.equal((await http(server.url)).status, 304);
});

Deno.test("httpClient(): a refused port is unavailable, and the message does not hold the URL's secrets", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = new URL(`http://127.0.0.1:${listener.addr.port}/path?signature=s3cret`);
  listener.close();
  await assert.rejects(http(url), (error) => {
    assert.ok(error instanceof UnavailableError && error.service === "API");
    assert.ok(!Deno.inspect(error).includes("s3cret"), Deno.inspect(error));
    return true;
  });
});

Deno.test("httpClient(): a server that never answers is a timeout", async () => {
  await using server = tcpServer((conversation) => conversation.clientGone());
  await assert.rejects(http(server.url, { timeoutMs: 100 }), UpstreamTimeoutError);
});

Deno.test("httpClient(): a body that stalls is a timeout", async () => {
  await using server = tcpServer(async ({ send, clientGone }) => {
    await send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin");
    await clientGone();
  });
  const answer = await http(server.url, { stallMs: 100 });
  await assert.rejects(collect(answer.body, LIMIT_BYTES), UpstreamTimeoutError);
});

Deno.test("httpClient(): a slow body that never stalls is no timeout", async () => {
  await using server = tcpServer(async ({ send }) => {
    await send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    for (let piece = 0; piece < 20; piece++) {
      await send("x".repeat(50_000));
      await pause(50);
    }
  });
  const answer = await http(server.url, { stallMs: 150 });
  assert.equal((await collect(answer.body, LIMIT_BYTES)).byteLength, 1_000_000);
});

Deno.test("httpClient(): a caller who reads slowly is no timeout", async () => {
  await using server = serve(() => new Response(new Uint8Array(2_000_000)));
  const answer = await http(server.url, { timeoutMs: 5_000, stallMs: 100 });
  let sizeBytes = 0;
  for await (const piece of answer.body) {
    sizeBytes += piece.byteLength;
    await pause(150);
  }
  assert.equal(sizeBytes, 2_000_000);
});

const CUT: Readonly<Record<string, string>> = {
  "before the head": "",
  "in the head": "HTTP/1.1 200 OK\r\nContent-Le",
  "in a body of known length": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin",
  "in a chunked body": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n",
};

for (const [where, text] of Object.entries(CUT)) {
  Deno.test(`httpClient(): a connection that is cut ${where} is unavailable, never a short body`, async () => {
    await using server = tcpServer(({ send }) => send(text));
    await assert.rejects(async () => await collect((await http(server.url)).body, LIMIT_BYTES), UnavailableError);
  });
}

Deno.test("httpClient(): what is not HTTP is unavailable", async () => {
  await using server = tcpServer(({ send }) => send("SSH-2.0-OpenSSH_9.2\r\n"));
  await assert.rejects(http(server.url), TallyError);
});

Deno.test("httpClient(): an aborted signal interrupts before, while waiting and within the body", async () => {
  await using silent = tcpServer((conversation) => conversation.clientGone());
  await using half = tcpServer(async ({ send, clientGone }) => {
    await send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin");
    await clientGone();
  });
  await assert.rejects(http(silent.url, { signal: AbortSignal.abort() }), InterruptedError);

  const waiting = new AbortController();
  const call = http(silent.url, { signal: waiting.signal });
  waiting.abort();
  await assert.rejects(call, InterruptedError);

  const reading = new AbortController();
  const answer = await http(half.url, { signal: reading.signal });
  const body = collect(answer.body, LIMIT_BYTES);
  reading.abort();
  await assert.rejects(body, InterruptedError);
});

Deno.test("httpClient(): a body that is given up closes the connection", async () => {
  let gone = () => {};
  const closed = new Promise<void>((resolve) => gone = resolve);
  await using server = tcpServer(async ({ send, clientGone }) => {
    await send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin");
    await clientGone();
    gone();
  });
  const answer = await http(server.url);
  await answer.body.cancel();
  await closed;
});

Deno.test("httpClient(): an aborted signal closes the connection although nobody reads on", async () => {
  let gone = () => {};
  const closed = new Promise<void>((resolve) => gone = resolve);
  await using server = tcpServer(async ({ send, clientGone }) => {
    await send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin");
    await clientGone();
    gone();
  });
  const abort = new AbortController();
  const answer = await http(server.url, { signal: abort.signal });
  abort.abort();
  await closed;
  await assert.rejects(collect(answer.body, 1000), InterruptedError);
});

Deno.test("httpClient(): when the body that is sent fails, the call fails with the error of that body", async () => {
  await using server = serve(async (request) => new Response(await request.text().catch(() => "cut")));
  let sent = 0;
  const body = byteStream(() =>
    sent++ < 3 ? Promise.resolve(utf8("piece")) : Promise.reject(new IntegrityError("The source is broken"))
  );
  await assert.rejects(http(server.url, { method: "POST", body }), /The source is broken/);
});

Deno.test("httpClient(): a long upload is no timeout as long as it goes on", async () => {
  await using server = serve(async (request) => new Response(String((await request.bytes()).byteLength)));
  let pieces = 0;
  const body = byteStream(async () => {
    await pause(60);
    return pieces++ < 8 ? new Uint8Array(1000) : undefined;
  });
  const answer = await http(server.url, { method: "POST", body, timeoutMs: 250 });
  assert.deepEqual(await collect(answer.body, 10), utf8("8000"));
});

Deno.test({
  name: "httpClient() tells a sandbox that refuses from a server that is away",
  permissions: { net: ["127.0.0.1:1"], env: true },
  fn: async () => {
    await assert.rejects(httpClient("API")(new URL("http://127.0.0.1:2/")), ConfigurationError);
    await assert.rejects(httpClient("API")(new URL("http://127.0.0.1:1/")), UnavailableError);
  },
});
