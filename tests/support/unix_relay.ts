/** A unix socket that leads to a server of this machine, for who is in another network namespace. Dispose it. */
export function unixRelay(path: string, target: URL): AsyncDisposable {
  const listener = Deno.listen({ transport: "unix", path });
  const open = new Set<Deno.Conn>();
  const relaying = new Set<Promise<unknown>>();
  const relay = async (caller: Deno.Conn) => {
    const server = await Deno.connect({ hostname: target.hostname, port: Number(target.port) });
    const both = [caller, server];
    both.forEach((connection) => open.add(connection));
    await Promise.allSettled([caller.readable.pipeTo(server.writable), server.readable.pipeTo(caller.writable)]);
    both.forEach((connection) => closeOnce(open, connection));
  };
  const accepting = (async () => {
    for await (const caller of listener) {
      const running = relay(caller).catch(() => {}).finally(() => relaying.delete(running)); // who left is no news here
      relaying.add(running);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      listener.close();
      open.forEach((connection) => closeOnce(open, connection));
      await Promise.all([accepting, ...relaying]);
    },
  };
}

function closeOnce(open: Set<Deno.Conn>, connection: Deno.Conn): void {
  if (!open.delete(connection)) return;
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // its streams have closed it
  }
}
