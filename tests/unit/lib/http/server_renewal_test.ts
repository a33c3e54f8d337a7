import assert from "node:assert/strict";
import { utf8 } from "../../../../lib/bytes.ts";
import { serveHttp } from "../../../../lib/http/server.ts";
import { byteStream } from "../../../../lib/streams.ts";
import { systemClock } from "../../../../lib/system/clock.ts";
import { readAll, writeAll } from "../../../support/raw_http.ts";
import { startTimedServer } from "../../../support/timed_server.ts";

const PIECE_BYTES = 64 * 1024;
const MINUTE = 60;

async function connectAndSay(port: number, text: string): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(connection, utf8(text));
  return connection;
}

async function get(url: URL): Promise<string> {
  const answer = await fetch(url, { headers: { connection: "close" } });
  return await answer.text();
}

const SLOW: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["a half of the first line", "GET / HT"],
  ["a head without its end", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "],
  ["an idle connection", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["a second head without its end", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost"],
  ["HTTP/2 and then nothing", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"],
];
for (const [what, text] of SLOW) {
  Deno.test(`serveHttp() closes a connection that is slow to ask within a minute: ${what}`, async () => {
    await using server = await startTimedServer(() => new Response("whole"));
    using connection = await connectAndSay(server.port, text);
    await get(server.url); // by now the other one has been taken
    await server.seconds(MINUTE);
    assert.doesNotMatch(await readAll(connection), /^HTTP\/1\.1 [45]/);
    assert.equal(await get(server.url), "whole");
    assert.deepEqual(server.troubles, []);
  });
}

Deno.test("serveHttp() lets a call under way go on while a minute passes", async () => {
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using server = await startTimedServer(async ({ url }) => {
    if (!url.endsWith("/slow")) return new Response("quick");
    begun.resolve();
    await release.promise;
    return new Response("whole");
  });
  const slow = get(new URL("/slow", server.url));
  await begun.promise;
  using silent = await connectAndSay(server.port, "GET / HT");
  for (let minute = 0; minute < 3; minute++) {
    await server.seconds(2 * MINUTE);
    assert.equal(await get(server.url), "quick");
  }
  assert.equal(await readAll(silent), "", "a connection without a call does not go on");
  release.resolve();
  assert.equal(await slow, "whole");
});

const REFUSED: readonly (readonly [string, string])[] = [
  ["a head of more than 64 KiB", `GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ${"a".repeat(70_000)}\r\n\r\n`],
  ["an address of more than 64 KiB", `GET /${"a".repeat(70_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
  ["more than 128 header lines", `GET / HTTP/1.1\r\nHost: localhost\r\n${"X-A: b\r\n".repeat(130)}\r\n`],
  [
    "two lengths of one body",
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
];
for (const [what, text] of REFUSED) {
  Deno.test(`serveHttp() refuses ${what}, and no handler sees it`, async () => {
    let calls = 0;
    await using server = await startTimedServer(() => new Response(String(calls++)));
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await writeAll(connection, utf8(text)).catch(() => undefined); // it may be refused before all of it is there
    assert.match(await readAll(connection), /^(HTTP\/1\.1 400 |$)/);
    assert.equal(calls, 0);
  });
}

Deno.test("serveHttp() changes no listener for the sake of a few connections", async () => {
  let openFiles = 40;
  await using server = await startTimedServer(() => new Response("x"), { openFiles: () => openFiles });
  using connection = await connectAndSay(server.port, "GET / HT");
  await get(server.url);
  await server.seconds(3 * MINUTE);
  await writeAll(connection, utf8("TP/1.1\r\nHost: localhost\r\n\r\n")); // it is open
  await get(server.url); // behind the answer of the other one
  openFiles = 600;
  await server.seconds(MINUTE);
  assert.match(await readAll(connection), /^HTTP\/1\.1 200 [^]*\r\n\r\nx$/);
});

Deno.test("serveHttp() sheds connections without a call at once when too many files are open", async () => {
  let openFiles = 600;
  await using server = await startTimedServer(() => new Response("x"), { openFiles: () => openFiles });
  using connection = await connectAndSay(server.port, "GET / HT");
  await get(server.url);
  openFiles = Infinity;
  await server.seconds(1);
  openFiles = 600;
  assert.equal(await readAll(connection), "");
  assert.equal(await get(server.url), "x");
});

Deno.test("serveHttp() gives an answer up that its caller does not take, with all that it holds", async () => {
  const cancelled = Promise.withResolvers<void>();
  const endless = () => byteStream(() => Promise.resolve(new Uint8Array(PIECE_BYTES)), () => cancelled.resolve());
  await using server = await startTimedServer(
    ({ url }, call) => new Response(url.endsWith("/endless") ? call.paced(endless()) : "x"),
    { stallMs: 20 },
  );
  using connection = await connectAndSay(server.port, "GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await cancelled.promise;
  await server.seconds(MINUTE);
  const answer = await readAll(connection);
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.doesNotMatch(answer, /\r\n0\r\n\r\n$/); // what came does not look whole
});

Deno.test("serveHttp() breaks no call off because of a caller who takes nothing", async () => {
  const cancelled = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const endless = () => byteStream(() => Promise.resolve(new Uint8Array(PIECE_BYTES)), () => cancelled.resolve());
  await using server = await startTimedServer(async ({ url }, call) => {
    if (url.endsWith("/endless")) return new Response(call.paced(endless()));
    begun.resolve();
    await release.promise;
    return new Response("whole");
  }, { stallMs: 20 });
  using connection = await connectAndSay(server.port, "GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const other = get(server.url);
  await Promise.all([begun.promise, cancelled.promise]);
  await server.seconds(MINUTE);
  release.resolve();
  assert.equal(await other, "whole");
  await server.seconds(1);
  assert.match(await readAll(connection), /^HTTP\/1\.1 200 /); // and it ends
});

Deno.test("serveHttp() takes no port on which somebody else listens", async () => {
  await using first = await startTimedServer(() => new Response("first"));
  const second = { host: "127.0.0.1", port: first.port, clock: systemClock, handlerAt: () => () => new Response() };
  for (const renewal of [undefined, { onTrouble: () => {} }]) {
    await assert.rejects(
      serveHttp({ ...second, ...(renewal === undefined ? {} : { renewal }) }, AbortSignal.abort(), () => {}),
      /^ConfigurationError: Cannot listen on 127\.0\.0\.1, port \d+: Address already in use/,
    );
  }
});
