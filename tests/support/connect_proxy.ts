import { utf8 } from "../../lib/bytes.ts";

/** A proxy that joins its callers to servers, as enterprise networks have them. */
export interface ConnectProxy extends AsyncDisposable {
  readonly url: URL;
  /** `host:port` of everything that was asked for, in the order of coming. */
  readonly asked: readonly string[];
}

/** How a proxy behaves. */
export interface ConnectProxyOptions {
  /** `name:password` that callers must give. */
  readonly account?: string;
  /** Where each name leads, since it knows names that nobody else does. */
  readonly hosts?: Readonly<Record<string, string>>;
}

const HEAD_LIMIT_BYTES = 8 * 1024;

/** Starts a true `CONNECT` proxy on this machine. @see RFC 9110, 9.3.6 */
export function connectProxy({ account, hosts = {} }: ConnectProxyOptions = {}): ConnectProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const asked: string[] = [];
  const open = new Set<Deno.Conn>();
  const running = new Set<Promise<void>>();
  const serve = async (caller: Deno.Conn) => {
    const head = await readHead(caller);
    const [, target = "", host = "", port = ""] = /^CONNECT (([^:]+):(\d+)) HTTP\/1\.1\r\n/.exec(head) ?? [];
    asked.push(target);
    const given = /^proxy-authorization: Basic (\S+)\r$/im.exec(head)?.[1];
    if (account !== undefined && given !== btoa(account)) return await say(caller, "407 Proxy Authentication Required");
    const server = await Deno.connect({ hostname: hosts[host] ?? host, port: Number(port) }).catch(() => undefined);
    if (server === undefined) return await say(caller, "502 Bad Gateway");
    open.add(server);
    await say(caller, "200 Connection established");
    await Promise.allSettled([caller.readable.pipeTo(server.writable), server.readable.pipeTo(caller.writable)]);
    open.delete(server);
  };
  const accept = async () => {
    for await (const caller of listener) {
      open.add(caller);
      const served = serve(caller).catch(() => {}).finally(() => { // a caller that leaves
        closeQuietly(caller);
        open.delete(caller);
        running.delete(served);
      });
      running.add(served);
    }
  };
  const accepting = accept();
  return {
    url: new URL(`http://127.0.0.1:${listener.addr.port}`),
    asked,
    async [Symbol.asyncDispose]() {
      listener.close();
      open.forEach(closeQuietly);
      await Promise.allSettled([accepting, ...running]);
    },
  };
}

async function readHead(caller: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(HEAD_LIMIT_BYTES);
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const count = await caller.read(buffer);
    if (count === null) throw new Error("the caller has left");
    head += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return head;
}

async function say(caller: Deno.Conn, status: string): Promise<void> {
  const bytes = utf8(`HTTP/1.1 ${status}\r\n\r\n`);
  for (let sent = 0; sent < bytes.byteLength;) sent += await caller.write(bytes.subarray(sent));
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // closed by its pipe
  }
}
