import { ConfigurationError, messageOf } from "../errors.ts";
import { READER_STALL_MS } from "./paced_body.ts";
import { type Call, type Front, RunningCalls } from "./running_calls.ts";

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
  /** What its connections come from, and no others. */
  readonly front?: Front | undefined;
}

/** Why a listener takes no further connection. */
export interface Failure {
  readonly error: unknown;
}

/**
 * A port that is listened on, and the connections that were taken there. The runtime knows no limit of its own for a connection that says nothing, says
 * the head of a request too slowly or leaves an answer unread, and cannot close a single one of them. It can end all of them at once, in two ways: `retire`
 * leaves calls under way alone and closes most of the rest, and `breakOff` closes everything.
 */
export class Listening {
  readonly #end = new AbortController();
  /** What goes on there. */
  readonly calls: RunningCalls;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #failure: Failure | undefined;
  #failureWait: PromiseWithResolvers<Failure> = Promise.withResolvers();
  #isRetired = false;

  /** @throws {ConfigurationError} the port cannot be opened there, or the key does not belong to the certificate */
  constructor(options: ListeningOptions) {
    const { handle, cutOff, stallMs = READER_STALL_MS, front } = options;
    this.calls = new RunningCalls({ cutOff, stallMs, front });
    this.#server = open(options, this.#end.signal, (request, info) => {
      const call = this.calls.begin(info);
      return call === undefined ? new Response(null, { status: 403 }) : handle(request, call);
    });
    this.#server.finished.catch((error) => this.#failureWait.resolve(this.#failure = { error }));
  }

  /** The address that it listens on. */
  get addr(): Deno.NetAddr {
    return this.#server.addr;
  }

  /**
   * Resolves with why no further connection can be taken: the process has too many files open, above all. Each call ends the wait of the one before and
   * has a promise of its own: one that lives as long as the listener would keep something of every wait.
   */
  failure(): Promise<Failure> {
    this.#failureWait = Promise.withResolvers();
    if (this.#failure !== undefined) this.#failureWait.resolve(this.#failure);
    return this.#failureWait.promise;
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
    await this.#server.finished.catch(() => undefined); // told by `failure`
    await this.calls.allEnded();
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
    throw cannotListen({ host, port }, cause);
  }
}

/** What is said of a port that cannot be opened. */
export function cannotListen(
  { host, port }: Pick<ListeningOptions, "host" | "port">,
  cause: unknown,
): ConfigurationError {
  return new ConfigurationError([`Cannot listen on ${host}, port ${port}: ${messageOf(cause)}`], { cause });
}
