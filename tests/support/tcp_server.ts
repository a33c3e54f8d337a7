import { utf8 } from "../../lib/bytes.ts";
import { writeAll } from "./raw_http.ts";

/** A server that says exactly what a test wants, right or wrong, byte by byte. */
export interface TcpServer extends AsyncDisposable {
  readonly url: URL;
}

/** What a handler can do with one connection. It is closed when the handler returns. */
export interface Conversation {
  /** Sends text as it is. */
  send(text: string): Promise<void>;
  /** Waits until the client has gone, or the server is disposed. */
  clientGone(): Promise<void>;
  /** Waits until the client has sent this text, or has gone; gives all that it sent behind the head. */
  received(text: string): Promise<string>;
}

/** Listens on a free port of this machine. The handler is called for each connection, after the head of the request was read. */
export function tcpServer(handle: (conversation: Conversation, head: string) => Promise<void>): TcpServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  const talks: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      open.add(connection);
      talks.push(talk(connection, handle).finally(() => closeQuietly(open, connection)));
    }
  })();
  return {
    url: new URL(`http://127.0.0.1:${listener.addr.port}/`),
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) closeQuietly(open, connection);
      await accepting;
      await Promise.all(talks);
    },
  };
}

async function talk(
  connection: Deno.TcpConn,
  handle: (conversation: Conversation, head: string) => Promise<void>,
): Promise<void> {
  try {
    const head = await readHead(connection);
    await handle({
      send: (text) => writeAll(connection, utf8(text)),
      clientGone: async () => void await sentUntil(connection, () => false),
      received: (text) => sentUntil(connection, (sent) => `${head}${sent}`.includes(text)),
    }, head);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function readHead(connection: Deno.TcpConn): Promise<string> {
  return sentUntil(connection, (sent) => sent.includes("\r\n\r\n"));
}

async function sentUntil(connection: Deno.TcpConn, isEnough: (sent: string) => boolean): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let sent = "";
  while (!isEnough(sent)) {
    const count = await connection.read(buffer);
    if (count === null) break;
    sent += decoder.decode(buffer.subarray(0, count));
  }
  return sent;
}

function closeQuietly(open: Set<Deno.TcpConn>, connection: Deno.TcpConn): void {
  if (open.delete(connection)) connection.close();
}

/** The client broke the connection off, or we closed it at the end of the test. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}
