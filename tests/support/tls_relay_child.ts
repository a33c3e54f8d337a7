/**
 * Speaks TLS at an address of its network namespace and hands everything on to unix sockets, which lead out of it. Arguments: address, certificate
 * file, key file, then a path for each server. Prints a line with the ports, in that order.
 */
const [hostname = "", certFile = "", keyFile = "", ...paths] = Deno.args;
const [cert, key] = [await Deno.readTextFile(certFile), await Deno.readTextFile(keyFile)];

const listeners = paths.map((path) => {
  const listener = Deno.listenTls({ hostname, port: 0, cert, key });
  void accept(listener, path);
  return listener;
});
const ports = listeners.map(({ addr }) => addr.port);
Deno.stdout.writeSync(new TextEncoder().encode(`${ports.join(" ")}\n`));

async function accept(listener: Deno.TlsListener, path: string): Promise<void> {
  for await (const caller of listener) void relay(caller, path);
}

async function relay(caller: Deno.TlsConn, path: string): Promise<void> {
  const server = await Deno.connect({ transport: "unix", path });
  await Promise.allSettled([caller.readable.pipeTo(server.writable), server.readable.pipeTo(caller.writable)]);
}
