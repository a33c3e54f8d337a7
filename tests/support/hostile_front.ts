import { Buffer } from "node:buffer";
import { type Bytes, concat, utf8 } from "../../lib/bytes.ts";
import type { FaultPoint } from "./faulty_proxy.ts";
import { writeAll } from "./raw_http.ts";

/** A connection to a caller, for an answer of any form. */
export interface Saying {
  /** What was asked: `METHOD /path`. */
  readonly call: string;
  send(bytes: Bytes): Promise<void>;
  /** Aborted when the server is stopped. */
  readonly signal: AbortSignal;
}

/** What a server does with a call in place of what it should. */
export interface ServerFault {
  /** Which calls: `METHOD /path`. */
  readonly call: RegExp;
  /** How many of them; all, unless it is said. */
  readonly times?: number;
  /** Says this in place of its answer. The connection ends when it has been said. */
  readonly say?: (saying: Saying) => Promise<void>;
  /** Answers with another head. */
  readonly changeHead?: (head: string) => string;
  /** Ends the connection after so many bytes of the body. */
  readonly keepBytes?: number;
}

const PIECE_BYTES = 64 * 1024;
const GONE = /^(BadResource|Interrupted|BrokenPipe|NotConnected|Connection(Reset|Aborted|Refused))$/;
const HEAD_END = "\r\n\r\n";

/** Stands before a real server and speaks HTTP/1.1 with one call on each connection. */
export function hostileFront(target: URL): Promise<FaultPoint<ServerFault>> {
  return Promise.resolve(new HostileFront(target));
}

class HostileFront implements FaultPoint<ServerFault> {
  strikes = 0;
  readonly url: URL;
  readonly #target: URL;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #stop = new AbortController();
  readonly #open = new Set<Deno.Conn>();
  readonly #serving = new Set<Promise<void>>();
  #fault: ServerFault | undefined;
  #struck = Promise.withResolvers<void>();

  constructor(target: URL) {
    this.#target = target;
    this.url = new URL(`http://127.0.0.1:${this.#listener.addr.port}${target.pathname}`);
    void this.#accept();
  }

  begin(fault: ServerFault): Promise<void> {
    this.#fault = fault;
    this.strikes = 0;
    this.#struck = Promise.withResolvers();
    return this.#struck.promise;
  }

  heal(): Promise<void> {
    this.#fault = undefined;
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#listener.close();
    this.#open.forEach((connection) => this.#close(connection));
    await Promise.all(this.#serving);
  }

  async #accept(): Promise<void> {
    for await (const caller of this.#listener) {
      this.#open.add(caller);
      const served = this.#serve(caller).catch(onlyGone).finally(() => {
        this.#close(caller);
        this.#serving.delete(served);
      });
      this.#serving.add(served);
    }
  }

  async #serve(caller: Deno.TcpConn): Promise<void> {
    const { head, rest } = await readHead(caller);
    const [method = "", path = ""] = head.split(" ");
    const call = `${method} ${path}`;
    const fault = this.#strikes(call);
    if (fault?.say !== undefined) {
      await discard(caller, bodyBytes(head) - rest.byteLength);
      await fault.say({ call, send: (bytes) => writeAll(caller, bytes), signal: this.#stop.signal });
      return await caller.closeWrite();
    }
    const server = await Deno.connect({ hostname: this.#target.hostname, port: Number(this.#target.port) });
    this.#open.add(server);
    try {
      await writeAll(server, utf8(`${head.slice(0, -2)}connection: close\r\n\r\n`));
      await writeAll(server, rest);
      await Promise.all([pass(caller, server).catch(onlyGone), this.#answer(server, caller, fault)]);
    } finally {
      this.#close(server);
    }
  }

  async #answer(server: Deno.TcpConn, caller: Deno.TcpConn, fault: ServerFault | undefined): Promise<void> {
    const { head, rest } = await readHead(server);
    await writeAll(caller, utf8(fault?.changeHead?.(head) ?? head));
    const keepBytes = fault?.keepBytes ?? Infinity;
    await writeAll(caller, rest.slice(0, keepBytes));
    await pass(server, caller, keepBytes - rest.byteLength);
    this.#close(caller);
  }

  #strikes(call: string): ServerFault | undefined {
    const fault = this.#fault;
    if (fault === undefined || !fault.call.test(call) || this.strikes >= (fault.times ?? Infinity)) return undefined;
    this.strikes++;
    this.#struck.resolve();
    return fault;
  }

  #close(connection: Deno.Conn): void {
    if (this.#open.delete(connection)) connection.close();
  }
}

/** A head, with its empty line; and what has come of the body. */
async function readHead(connection: Deno.TcpConn): Promise<{ head: string; rest: Bytes }> {
  let bytes: Bytes = new Uint8Array();
  for (;;) {
    const end = Buffer.from(bytes).indexOf(HEAD_END);
    if (end >= 0) {
      const bodyStart = end + HEAD_END.length;
      return { head: new TextDecoder().decode(bytes.subarray(0, bodyStart)), rest: bytes.slice(bodyStart) };
    }
    const piece = await read(connection);
    if (piece === undefined) throw new Deno.errors.ConnectionReset("the connection has ended before its head");
    bytes = concat(bytes, piece);
  }
}

async function read(connection: Deno.TcpConn): Promise<Bytes | undefined> {
  const buffer = new Uint8Array(PIECE_BYTES);
  const count = await connection.read(buffer);
  return count === null ? undefined : buffer.subarray(0, count);
}

/** Hands on what comes until the end, or `limitBytes` of it. */
async function pass(from: Deno.TcpConn, to: Deno.TcpConn, limitBytes = Infinity): Promise<void> {
  for (let left = limitBytes; left > 0;) {
    const piece = await read(from);
    if (piece === undefined) return;
    await writeAll(to, piece.slice(0, left));
    left -= piece.byteLength;
  }
}

async function discard(from: Deno.TcpConn, sizeBytes: number): Promise<void> {
  for (let left = sizeBytes; left > 0;) {
    const piece = await read(from);
    if (piece === undefined) return;
    left -= piece.byteLength;
  }
}

function bodyBytes(head: string): number {
  return Number(/^content-length: (\d+)\r$/im.exec(head)?.[1] ?? 0);
}

/** The caller or the server has left, or we have stopped. */
function onlyGone(error: unknown): void {
  if (!(error instanceof Error && GONE.test(error.name))) throw error;
}
