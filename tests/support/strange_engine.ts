import { join } from "node:path";
import { utf8 } from "../../lib/bytes.ts";
import { writeAll } from "./raw_http.ts";
import { tempFolder } from "./temp_folder.ts";

/** Writes an answer to a request; the connection is closed then. `over` resolves when the engine is disposed of. */
export type Answer = (connection: Deno.Conn, over: Promise<void>) => Promise<void>;

/** What listens on the engine's socket, and is none: it says what a test wants, byte by byte. */
export interface StrangeEngine extends AsyncDisposable {
  readonly dockerHost: string;
  /** What is said of the list of images. */
  list: Answer;
  /** What is said to a load. */
  load: Answer;
}

/** Listens where an engine should; it has no images, and breaks every load off, until it is told otherwise. */
export async function strangeEngine(): Promise<StrangeEngine> {
  const folder = await tempFolder();
  const path = join(folder.path, "docker.sock");
  const listener = Deno.listen({ transport: "unix", path });
  const open = new Set<Deno.Conn>();
  const over = Promise.withResolvers<void>();
  const close = (connection: Deno.Conn) => {
    if (open.delete(connection)) connection.close();
  };
  const talk = async (connection: Deno.Conn) => {
    open.add(connection);
    try {
      const head = await headOf(connection);
      await (/images\/load/.test(head) ? engine.load : engine.list)(connection, over.promise);
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      close(connection);
    }
  };
  const talks: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) talks.push(talk(connection));
  })();
  const engine: StrangeEngine = {
    dockerHost: `unix://${path}`,
    list: says("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"),
    load: says(""),
    async [Symbol.asyncDispose]() {
      listener.close();
      over.resolve();
      for (const connection of open) close(connection);
      await accepting;
      await Promise.all(talks);
      await folder[Symbol.asyncDispose]();
    },
  };
  return engine;
}

async function headOf(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(64 * 1024);
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const size = await connection.read(buffer);
    if (size === null) break;
    head += new TextDecoder("latin1").decode(buffer.subarray(0, size));
  }
  return head;
}

function isGone(error: unknown): boolean {
  return [Deno.errors.BrokenPipe, Deno.errors.ConnectionReset, Deno.errors.BadResource, Deno.errors.Interrupted]
    .some((kind) => error instanceof kind);
}

/** Says this, and no more. */
export function says(text: string): Answer {
  return (connection) => writeAll(connection, utf8(text));
}

/** Says something without an end, until the other side goes. */
export function saysForEver(head: string, piece: string): Answer {
  const bytes = utf8(piece.repeat(Math.ceil(64 * 1024 / piece.length)));
  return async (connection) => {
    await writeAll(connection, utf8(head));
    for (;;) await writeAll(connection, bytes.slice());
  };
}

/** The same after all of the archive has come. */
export function afterAll(answer: Answer): Answer {
  return async (connection, over) => {
    const buffer = new Uint8Array(256 * 1024);
    for (let end = ""; !end.endsWith("0\r\n\r\n");) {
      const size = await connection.read(buffer);
      if (size === null) return;
      end = new TextDecoder("latin1").decode(buffer.subarray(Math.max(0, size - 5), size));
    }
    await answer(connection, over);
  };
}

/** The same, and then neither a word nor an end; nothing is read. */
export function thenHangs(answer: Answer): Answer {
  return async (connection, over) => {
    await answer(connection, over);
    await over;
  };
}
