import assert from "node:assert/strict";
import { TcpFront } from "../../../../lib/http/tcp_front.ts";

const LIMIT_OF_OTHERS = 64;

/** A server that sends one byte to whoever connects. */
function greeter() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const ended = (async () => {
    for await (const connection of listener) {
      connections.push(connection);
      await connection.write(new Uint8Array([1]));
    }
  })();
  const close = async () => {
    listener.close();
    await ended;
    for (const connection of connections) connection.close();
  };
  return { addr: listener.addr, [Symbol.asyncDispose]: close };
}

Deno.test("TcpFront counts no connections of this machine itself, by IPv6 as little as by IPv4", async () => {
  await using server = greeter();
  for (const host of ["127.0.0.1", "::1"]) {
    const front = new TcpFront({
      host,
      port: 0,
      behind: () => server.addr,
      onTrouble: (error) => assert.fail(`${error}`),
    });
    using connections = new DisposableStack();
    for (let count = 0; count <= LIMIT_OF_OTHERS; count++) {
      const connection = connections.use(await Deno.connect({ hostname: host, port: front.addr.port }));
      assert.equal(await connection.read(new Uint8Array(1)), 1, `${host}: connection ${count} was closed`);
    }
    await front.close();
  }
});
