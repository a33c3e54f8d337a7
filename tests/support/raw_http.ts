import type { Bytes } from "../../lib/bytes.ts";

/**
 * Sends bytes over a bare TCP connection, says that no more will come, and returns everything that comes back until the
 * other side closes.
 */
export async function rawHttp(port: number, request: Bytes): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(connection, request);
  await connection.closeWrite();
  return await readAll(connection);
}

/** Writes all of `bytes`. */
export async function writeAll(connection: Pick<Deno.Conn, "write">, bytes: Bytes): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength;) offset += await connection.write(bytes.subarray(offset));
}

/** Everything until the end, or until the other side breaks the connection. */
export async function readAll(connection: Deno.TcpConn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  for (;;) {
    const count = await connection.read(buffer).catch(() => null); // a reset is an end, too
    if (count === null) return text;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
}

/** The same, with the way to the server kept open: it may take a closed one for a client that has gone, and answer nothing. */
export async function rawAnswer(port: number, request: Bytes): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(connection, request);
  return await readAll(connection);
}
