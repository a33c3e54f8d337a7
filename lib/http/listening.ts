import { ConfigurationError, messageOf } from "../errors.ts";
import type { ByteStream } from "../streams.ts";
import { pacedBody, READER_STALL_MS } from "./paced_body.ts";

/** What a handler is told of a call, beside its request. */
export interface Call {
  /** Aborted when the server has waited long enough at its end: give up then. */
  readonly cutOff: AbortSignal;
  /** Who is at the other end of the connection. */
  readonly remoteAddr: Deno.NetAddr;
  /** The body of an answer that is longer than what lies in the buffers of a connection: given up when its caller takes nothing of it for a minute. */
  paced(body: ByteStream): ByteStream;
}

/** Answers one request. */
export type Handler = (request: Request, call: Call) => Response | Promise<Response>;

/** A certificate chain and its private key, in PEM. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Where and how a port is listened on. */
export interface ListeningOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsPair | undefined;
  /** Whether others of this program may listen on the same port, so that one can take over from another. */
  readonly isShared: boolean;
  readonly handle: Handler;
  readonly onBrokenOff: (error: unknown) => void;
  readonly cutOff: AbortSignal;
  readonly stallMs?: number;
}

/**
 * A port that is listened on, and the connections that were taken there. The runtime knows no limit of its own for a connection that says nothing, says
 * the head of a request too slowly or leaves an answer unread, and cannot close a single one of them. It can end all of them at once, in two ways: `retire`
 * leaves calls under way alone and closes most of the rest, and `breakOff` closes everything.
 */
export class Listening {
  readonly #options: ListeningOptions;
  readonly #end = new AbortController();
  readonly #live = new Set<RunningCall>();
  readonly #stuck = new Set<RunningCall>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  /** Resolves with why no further connection can be taken: the process has too many files open, above all. */
  readonly failed: Promise<unknown>;
  #isRetired = false;
  #idle = Promise.withResolvers<void>();

  /** @throws {ConfigurationError} the port cannot be opened there, or the key does not belong to the certificate */
  constructor(options: ListeningOptions) {
    this.#options = options;
    this.#server = open(options, this.#end.signal, (request, info) => this.#answer(request, info));
    this.failed = new Promise((resolve) => this.#server.finished.catch(resolve));
  }

  /** The address that it listens on. */
  get addr(): Deno.NetAddr {
    return this.#server.addr;
  }

  /** Calls under way that go on: their callers take what they are sent. */
  get live(): readonly Promise<void>[] {
    return [...this.#live].map(({ completed }) => completed);
  }

  /** Resolves when no call is under way that goes on. */
  get idle(): Promise<void> {
    return this.#live.size === 0 ? Promise.resolve() : this.#idle.promise;
  }

  /** How many answers were given up because their callers took nothing: their connections stay until all are broken off. */
  get stuckCount(): number {
    return this.#stuck.size;
  }

  /**
   * Takes no further connection, closes those on which no call is under way, and the rest when their calls have ended. It cannot be broken off afterwards:
   * connections that speak HTTP/2, or still send the body of a call that was answered, stay until their clients go.
   */
  retire(): Promise<void> {
    this.#isRetired = true;
    return this.#server.shutdown();
  }

  /** Closes all connections, whatever goes on there, unless it has been retired before. */
  async breakOff(): Promise<void> {
    if (!this.#isRetired) this.#end.abort();
    await this.#server.finished.catch(() => undefined); // told by `failed`
    await Promise.all([...this.#live, ...this.#stuck].map(({ completed }) => completed));
  }

  #answer(request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>): Response | Promise<Response> {
    const call = new RunningCall(info, this.#options, {
      onStuck: () => this.#leave(call, () => this.#stuck.add(call)),
      onCompleted: () => this.#leave(call, () => this.#stuck.delete(call)),
    });
    if (this.#live.size === 0) this.#idle = Promise.withResolvers();
    this.#live.add(call);
    return this.#options.handle(request, call);
  }

  #leave(call: RunningCall, note: () => void): void {
    note();
    this.#live.delete(call);
    if (this.#live.size === 0) this.#idle.resolve();
  }
}

class RunningCall implements Call {
  readonly remoteAddr: Deno.NetAddr;
  readonly completed: Promise<void>;
  readonly #options: ListeningOptions;
  readonly #onStuck: () => void;

  constructor(
    { remoteAddr, completed }: Deno.ServeHandlerInfo<Deno.NetAddr>,
    options: ListeningOptions,
    { onStuck, onCompleted }: { onStuck: () => void; onCompleted: () => void },
  ) {
    this.remoteAddr = remoteAddr;
    this.#options = options;
    this.#onStuck = onStuck;
    this.completed = completed.then(onCompleted, onCompleted); // rejected by a client that leaves
  }

  get cutOff(): AbortSignal {
    return this.#options.cutOff;
  }

  paced(body: ByteStream): ByteStream {
    const { stallMs = READER_STALL_MS, cutOff } = this.#options;
    return pacedBody(body, { stallMs, cutOff, onStall: this.#onStuck });
  }
}

function open(
  { host, port, tls, isShared, onBrokenOff }: ListeningOptions,
  signal: AbortSignal,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.HttpServer<Deno.NetAddr> {
  const onError = (error: unknown) => {
    onBrokenOff(error);
    return new Response(null, { status: 500 });
  };
  const options = { hostname: host, port, reusePort: isShared, signal, onListen: () => {}, onError, ...tls };
  try {
    return Deno.serve(options, handler);
  } catch (cause) {
    throw new ConfigurationError([`Cannot listen on ${host}, port ${port}: ${messageOf(cause)}`], { cause });
  }
}
