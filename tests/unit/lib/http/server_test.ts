import assert from "node:assert/strict";
import { connect } from "node:net";
import { ConfigurationError } from "../../../../lib/errors.ts";
import type { Handler } from "../../../../lib/http/listening.ts";
import { serveHttp } from "../../../../lib/http/server.ts";
import { type Clock, systemClock } from "../../../../lib/system/clock.ts";

async function start(handler: Handler, clock: Clock = systemClock) {
  const stop = new AbortController();
  const listening = Promise.withResolvers<URL>();
  const options = { host: "127.0.0.1", port: 0, clock, handlerAt: () => handler };
  const ended = serveHttp(options, stop.signal, listening.resolve);
  return { url: await listening.promise, stop: () => stop.abort(), ended };
}

/** A clock whose sleepers wake when the test says so. */
function heldClock() {
  const held = Promise.withResolvers<void>();
  return { clock: { now: () => 0, sleep: () => held.promise }, wake: held.resolve };
}

Deno.test("serveHttp lets running requests finish and refuses new ones while it stops", async () => {
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const server = await start(async () => {
    begun.resolve();
    await release.promise;
    return new Response("whole");
  });
  const running = fetch(server.url);
  await begun.promise;
  server.stop();
  const late = await fetch(server.url);
  assert.deepEqual([late.status, await late.text()], [503, '{"status":"draining"}']);
  release.resolve();
  assert.equal(await (await running).text(), "whole");
  await server.ended;
});

Deno.test("serveHttp cuts off what still runs after its limit", async () => {
  const { clock, wake } = heldClock();
  const begun = Promise.withResolvers<void>();
  const cut = Promise.withResolvers<string>();
  const server = await start((request, { cutOff }) => {
    cutOff.addEventListener("abort", () => cut.resolve("cut off"));
    begun.resolve();
    return new Promise<Response>((_, reject) => {
      cutOff.addEventListener("abort", () => request.body?.cancel().finally(() => reject(new Error("cut off"))));
    }).catch(() => new Response(null, { status: 503 }));
  }, clock);
  const { hostname, port } = server.url;
  const socket = connect(Number(port), hostname);
  socket.on("error", () => socket.destroy());
  socket.write("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  await begun.promise;
  server.stop();
  wake();
  assert.equal(await cut.promise, "cut off");
  await server.ended;
  socket.destroy();
});

Deno.test("serveHttp closes answers that nobody reads after its limit", async () => {
  const { clock, wake } = heldClock();
  const cancelled = Promise.withResolvers<void>();
  const server = await start(() =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65536)),
        cancel: () => cancelled.resolve(),
      }),
    ), clock);
  const response = await fetch(server.url);
  server.stop();
  wake();
  await server.ended;
  await response.body?.cancel();
  await cancelled.promise;
});

Deno.test("serveHttp stops at once when nothing runs, and fails when the port is taken", async () => {
  const first = await start(() => new Response("x"));
  const options = {
    host: "127.0.0.1",
    port: Number(first.url.port),
    clock: systemClock,
    handlerAt: () => () => new Response(),
  };
  await assert.rejects(serveHttp(options, AbortSignal.abort(), () => {}), (error: unknown) => {
    assert.ok(error instanceof ConfigurationError);
    assert.match(error.message, /^Cannot listen on 127\.0\.0\.1, port \d+: Address already in use/);
    return true;
  });
  first.stop();
  await first.ended;
});

Deno.test("serveHttp keeps nothing of the seconds in which nothing happens", async () => {
  const [seconds, limitBytes] = [200_000, 32 * 1024 ** 2]; // two days, 160 bytes for each
  const stop = new AbortController();
  let [passed, usedBytes] = [0, 0];
  const second = async () => {
    if (passed++ === 0) usedBytes = Deno.memoryUsage().heapUsed;
    if (passed === seconds) stop.abort();
    if (passed % 1000 === 0) await new Promise((resolve) => setTimeout(resolve));
  };
  const renewal = { onTrouble: () => {}, openFiles: () => 100, second };
  const handlerAt = () => () => new Response();
  await serveHttp({ host: "127.0.0.1", port: 0, clock: systemClock, handlerAt, renewal }, stop.signal, () => {});
  const grownBytes = Deno.memoryUsage().heapUsed - usedBytes;
  assert.ok(grownBytes < limitBytes, `${grownBytes} bytes more in use after ${seconds} seconds`);
});
