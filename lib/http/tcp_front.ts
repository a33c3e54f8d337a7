import { clientNetwork } from "./client_network.ts";
import { cannotListen } from "./listening.ts";
import { isLoopback } from "./loopback.ts";
import type { Front } from "./running_calls.ts";

const BUFFER_BYTES = 64 * 1024;
/** Three files are open for each. */
const CONNECTIONS_LIMIT = 256;
const CONNECTIONS_PER_CLIENT_LIMIT = 64;

/** Where a front listens, and where it hands its connections on to. */
export interface FrontOptions {
  readonly host: string;
  readonly port: number;
  /** The address of the server behind it, on this machine. */
  readonly behind: () => Deno.NetAddr;
  /** Told why a connection could not be taken. */
  readonly onTrouble: (error: unknown) => void;
}

/** A connection, and what is known of it. */
interface Passage {
  readonly client: Deno.TcpConn;
  readonly network: string;
  inner: Deno.TcpConn | undefined;
  calls: number;
  idleSeconds: number;
}

/**
 * Takes connections for a server behind it and passes their bytes on as they are. The runtime's TLS server waits for ever for a handshake that does not
 * go on, and not even its own end closes such a connection; here each one can be closed, and they are counted: 256 in
 * all, 64 of one client on another machine.
 */
export class TcpFront implements Front {
  readonly #options: FrontOptions;
  readonly #listener: Deno.TcpListener;
  readonly #passages = new Set<Passage>();
  /** By the port that the server behind sees. */
  readonly #byPort = new Map<number, Passage>();
  readonly #running: Promise<void>;
  #isClosed = false;

  /** @throws {ConfigurationError} the port cannot be opened there */
  constructor(options: FrontOptions) {
    this.#options = options;
    const { host, port } = options;
    try {
      this.#listener = Deno.listen({ hostname: host, port });
    } catch (cause) {
      throw cannotListen({ host, port }, cause);
    }
    this.#running = this.#accept();
  }

  /** The address that it listens on. */
  get addr(): Deno.NetAddr {
    return this.#listener.addr;
  }

  /** A call has begun, of which the server behind sees this port. @returns who calls; `undefined` when it did not come this way */
  began(port: number): Deno.NetAddr | undefined {
    const passage = this.#byPort.get(port);
    if (passage !== undefined) passage.calls++;
    return passage?.client.remoteAddr;
  }

  /** A call has ended. */
  ended(port: number): void {
    const passage = this.#byPort.get(port);
    if (passage === undefined) return;
    passage.calls--;
    passage.idleSeconds = 0;
  }

  /** Closes one connection at once. */
  drop(port: number): void {
    const passage = this.#byPort.get(port);
    if (passage !== undefined) this.#close(passage);
  }

  /** A second has passed: closes connections on which no call has been under way for so long, however many bytes came. */
  tick(limitSeconds: number): void {
    for (const passage of this.#passages) {
      if (passage.calls === 0 && ++passage.idleSeconds >= limitSeconds) this.#close(passage);
    }
  }

  /** Takes no further connection and closes all. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#listener.close();
    for (const passage of this.#passages) this.#close(passage);
    await this.#running;
  }

  async #accept(): Promise<void> {
    while (!this.#isClosed) {
      try {
        const client = await this.#listener.accept();
        void this.#pass(client).catch(() => undefined); // one of the two sides has broken it off
      } catch (error) {
        if (this.#isClosed) return;
        this.#options.onTrouble(error);
        this.tick(1); // too many are open: those without a call make room
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async #pass(client: Deno.TcpConn): Promise<void> {
    const network = clientNetwork(client.remoteAddr.hostname);
    if (!this.#hasRoom(client, network)) return client.close();
    const passage: Passage = { client, network, inner: undefined, calls: 0, idleSeconds: 0 };
    this.#passages.add(passage);
    try {
      const { hostname, port } = this.#options.behind();
      const inner = await Deno.connect({ hostname, port });
      passage.inner = inner;
      if (!this.#passages.has(passage)) return inner.close(); // closed meanwhile
      this.#byPort.set(inner.localAddr.port, passage);
      inner.setNoDelay();
      client.setNoDelay();
      await Promise.all([pump(client, inner), pump(inner, client)]);
    } finally {
      this.#close(passage);
    }
  }

  #hasRoom(client: Deno.TcpConn, network: string): boolean {
    if (this.#passages.size >= CONNECTIONS_LIMIT) return false;
    if (isLoopback(client.remoteAddr.hostname) || isLoopback(network)) return true; // the second: IPv4 written as IPv6
    return [...this.#passages].filter((passage) => passage.network === network).length < CONNECTIONS_PER_CLIENT_LIMIT;
  }

  #close(passage: Passage): void {
    if (!this.#passages.delete(passage)) return;
    const { client, inner } = passage;
    if (inner !== undefined) this.#byPort.delete(inner.localAddr.port);
    closeQuietly(inner);
    closeQuietly(client);
  }
}

/** Passes bytes on until there are no more, and says so. */
async function pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    for (let offset = 0; offset < count;) offset += await to.write(buffer.subarray(offset, count));
  }
  await to.closeWrite();
}

function closeQuietly(connection: Deno.TcpConn | undefined): void {
  try {
    connection?.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // it is closed
  }
}
