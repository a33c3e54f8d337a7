import { type Clock, systemClock } from "../system/clock.ts";
import { bracketedHost } from "./host_text.ts";
import { cannotListen, type Failure, type Handler, Listening, type TlsPair } from "./listening.ts";
import { TcpFront } from "./tcp_front.ts";

/** How a server is run. */
export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Makes the handler, once the address that the server listens on is known. */
  readonly handlerAt: (url: URL) => Handler;
  /** Told why the body of an answer failed after its head was sent; the connection is broken off, so that it never looks whole. */
  readonly onBrokenOff?: (error: unknown) => void;
  /** Present for a server that runs for long: what is renewed while it does. */
  readonly renewal?: Renewal;
  readonly clock: Clock;
}

/** What keeps a server fresh. */
export interface Renewal {
  /** Serves TLS. */
  readonly tls?: TlsSource | undefined;
  /** How many files and connections the process has open at least; 0 when that is not known. */
  readonly openFiles?: () => number;
  /** Told why no connection could be taken for a moment, or why the new certificate is not used. */
  readonly onTrouble: (error: unknown) => void;
  /** How long a caller may take nothing of an answer; a minute unless given. */
  readonly stallMs?: number;
  /** Resolves when a second has passed, at the latest when the signal is aborted; by the machine's clock unless given. */
  readonly second?: (signal: AbortSignal) => Promise<void>;
}

/** No more than this is ever open for calls and what they need: the rest are connections that wait, and have to go at once. */
const OPEN_FILES_LIMIT = 1024;
/** Fewer connections that wait than this allows cost little: less than the change of a listener, which closes idle ones and may meet a new one. */
const FEW_OPEN_FILES = 512;

/** The certificate of a server, which may be exchanged while it runs. */
export interface TlsSource {
  readonly pair: TlsPair;
  /** The next one, when there is one. @throws {ConfigurationError} it is not usable; the old one stays */
  next(): Promise<TlsPair | undefined>;
}

/** A connection has at most this long for the head of its request, and up to {@link OVERDUE_SECONDS} while other calls go on without a pause. */
const CONNECTION_LIMIT_SECONDS = 60;
const OVERDUE_SECONDS = 120;
const TLS_LOOK_SECONDS = 10;
/** Where a server with TLS listens itself, for its front alone. */
export const INNER_HOST = "127.0.0.1";
const HIGHEST_PORT = 65_535;
const STUCK_LIMIT = 16;
const REOPEN_ATTEMPTS = 30;
const STOP_LIMIT_MS = 10_000;
const CLOSE_LIMIT_MS = 1_000;
const RETRY_AFTER_SECONDS = "10";

/**
 * Serves HTTP until `signal` is aborted. Then new requests get 503, and those that run have ten seconds to finish before
 * they are cut off. (`Deno.HttpServer.shutdown` alone would not do: once it has been called, nothing can be cut off.)
 *
 * With `renewal`, a fresh listener takes the port over every minute in which more than a few connections may be waiting, as soon as no call is under way or after another minute, and the old one closes all
 * connections without a call: those that say nothing, those whose head comes too slowly, and those that have been idle. A call under way goes on. The
 * port is always open.
 * @param onListening called once, with the address it listens on
 * @throws {ConfigurationError} the port cannot be opened there
 */
export async function serveHttp(
  options: ServerOptions,
  signal: AbortSignal,
  onListening: (url: URL) => void,
): Promise<void> {
  const server = new RenewedServer(options, signal);
  onListening(server.url);
  await server.renew();
  await server.stop();
}

class RenewedServer {
  readonly url: URL;
  readonly #options: ServerOptions;
  readonly #cutOff = new AbortController();
  readonly #signal: AbortSignal;
  readonly #handle: Handler;
  readonly #old = new Set<Listening>();
  /** Present with TLS: the server itself then listens behind it. */
  readonly #front: TcpFront | undefined;
  #tls: TlsPair | undefined;
  #port: number;
  #current: Listening;

  constructor(options: ServerOptions, signal: AbortSignal) {
    this.#options = options;
    this.#tls = options.renewal?.tls?.pair;
    this.#signal = signal;
    this.#front = this.#tls === undefined ? undefined : this.#openFront();
    try {
      const inner = this.#front === undefined ? options : { host: INNER_HOST, port: innerPort(options.port) };
      this.#port = options.renewal === undefined ? inner.port : freePort(inner);
      this.#current = this.#listen();
    } catch (error) {
      void this.#front?.close();
      throw error;
    }
    this.#port = this.#current.addr.port;
    this.url = this.#front === undefined ? urlOf(this.#current.addr, "http") : urlOf(this.#front.addr, "https");
    this.#handle = options.handlerAt(this.url); // before the first call: none is taken within this turn
  }

  /** Renews what is due, and takes the port again when it was lost, until the signal is aborted. */
  async renew(): Promise<void> {
    const { renewal } = this.#options;
    const signal = this.#signal;
    if (renewal === undefined) return void await Promise.race([aborted(signal), this.#current.failure().then(rethrow)]);
    const { second = secondOfMachine } = renewal;
    let tick = second(signal);
    for (let age = 0, tlsAge = 0;;) {
      if (age === CONNECTION_LIMIT_SECONDS && hasFewOpen(renewal)) age = 0;
      const isLate = age >= CONNECTION_LIMIT_SECONDS;
      const woken = await Promise.race([
        tick.then(() => "tick" as const),
        this.#current.failure(),
        ...(isLate ? [this.#current.calls.idle] : []),
      ]);
      if (signal.aborted) return;
      if (typeof woken === "object") await this.#reopen(woken.error, renewal, signal);
      if (woken === "tick") this.#front?.tick(CONNECTION_LIMIT_SECONDS);
      if (woken === "tick" && this.#front === undefined) age++;
      if (woken === "tick") tlsAge++;
      const newTls = woken === "tick" && tlsAge % TLS_LOOK_SECONDS === 0 ? await nextPair(renewal) : undefined;
      const isCrowded = woken === "tick" && (renewal.openFiles?.() ?? 0) >= OPEN_FILES_LIMIT;
      const isIdle = isLate && this.#current.calls.liveCount === 0;
      if (isCrowded) this.#front?.tick(1);
      const isDue = isIdle || isCrowded && this.#front === undefined || newTls !== undefined || age >= OVERDUE_SECONDS;
      if (isDue && this.#exchange({ ...renewal, isCrowded, newTls })) age = 0;
      if (woken === "tick") tick = second(signal);
    }
  }

  /** Lets calls under way end, for ten seconds at most. */
  async stop(): Promise<void> {
    const { clock } = this.#options;
    const all = [this.#current, ...this.#old];
    if (await within(STOP_LIMIT_MS, Promise.all(all.map(({ calls }) => calls.liveEnded())), clock)) {
      await within(CLOSE_LIMIT_MS, this.#current.retire(), clock); // lets the last bytes of the answers out
    } else {
      this.#cutOff.abort();
      await within(CLOSE_LIMIT_MS, this.#current.breakOff(), clock);
    }
    await this.#front?.close();
  }

  #openFront(): TcpFront {
    const { host, port, renewal: { onTrouble } = { onTrouble: () => {} } } = this.#options;
    return new TcpFront({ host, port, behind: () => this.#current.addr, onTrouble });
  }

  #listen(): Listening {
    const { host, onBrokenOff = () => {}, renewal } = this.#options;
    return new Listening({
      host: this.#front === undefined ? host : INNER_HOST,
      front: this.#front,
      port: this.#port,
      tls: this.#tls,
      isShared: renewal !== undefined,
      handle: (request, call) => this.#signal.aborted ? draining() : this.#handle(request, call),
      onBrokenOff,
      cutOff: this.#cutOff.signal,
      ...(renewal?.stallMs === undefined ? {} : { stallMs: renewal.stallMs }),
    });
  }

  /**
   * Lets a new listener take over. Where callers are stuck, the old one is broken off rather than retired, since nothing else frees their connections:
   * when no other call would suffer, or when there are too many of them.
   * @returns whether it did or could not; else it is to be tried again soon
   */
  #exchange({ isCrowded, newTls, onTrouble }: {
    isCrowded: boolean;
    newTls: TlsPair | undefined;
    onTrouble: (error: unknown) => void;
  }): boolean {
    const [old, oldTls] = [this.#current, this.#tls];
    const { stuckCount, liveCount } = old.calls;
    const breaksOff = liveCount === 0 || stuckCount > 0 && (isCrowded || stuckCount >= STUCK_LIMIT);
    if (stuckCount > 0 && !breaksOff && newTls === undefined) return false;
    try {
      this.#tls = newTls ?? oldTls;
      this.#current = this.#listen();
      this.#end(old, breaksOff ? old.breakOff() : old.retire());
    } catch (error) {
      this.#tls = oldTls;
      onTrouble(error);
    }
    return true;
  }

  #end(old: Listening, ended: Promise<void>): void {
    this.#old.add(old);
    const forget = () => this.#old.delete(old);
    ended.then(forget, forget); // what it could fail with, it has failed with before
  }

  /** The runtime gives a listener up at the first error, such as too many open files. Connections go first, so that there is room for a new one. */
  async #reopen(error: unknown, { onTrouble, second = secondOfMachine }: Renewal, signal: AbortSignal): Promise<void> {
    onTrouble(error);
    this.#end(this.#current, this.#current.retire());
    for (let attempt = 1;; attempt++) {
      await turn(); // in which the connections are closed
      try {
        this.#current = this.#listen();
        return;
      } catch (cause) {
        if (attempt === REOPEN_ATTEMPTS) throw cause;
        await second(signal);
        if (signal.aborted) return;
      }
    }
  }
}

async function nextPair({ tls, onTrouble }: Renewal): Promise<TlsPair | undefined> {
  try {
    return await tls?.next();
  } catch (error) {
    return void onTrouble(error);
  }
}

function hasFewOpen({ openFiles }: Renewal): boolean {
  const count = openFiles?.() ?? 0;
  return count > 0 && count < FEW_OPEN_FILES;
}

function rethrow({ error }: Failure): never {
  throw error;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

async function secondOfMachine(signal: AbortSignal): Promise<void> {
  await systemClock.sleep(1000, signal).catch(() => undefined); // whoever waits looks at the signal
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Where a server with TLS listens itself: beside its port, so that a sandbox can name it. */
export function innerPort(port: number): number {
  if (port === 0) return 0;
  return port === HIGHEST_PORT ? port - 1 : port + 1;
}

/** For whoever asks a server that is about to end, a supervisor's health check above all. */
function draining(): Response {
  const headers = { "Connection": "close", "Content-Type": "application/json", "Retry-After": RETRY_AFTER_SECONDS };
  return new Response('{"status":"draining"}', { status: 503, headers });
}

/** A port that nobody listens on: where listeners share one, taking it says nothing. @throws {ConfigurationError} */
function freePort({ host, port }: Pick<ServerOptions, "host" | "port">): number {
  try {
    const probe = Deno.listen({ hostname: host, port });
    const { addr } = probe;
    probe.close();
    return addr.port;
  } catch (cause) {
    throw cannotListen({ host, port }, cause);
  }
}

function urlOf({ hostname, port }: Deno.NetAddr, scheme: string): URL {
  return new URL(`${scheme}://${bracketedHost(hostname)}:${port}`);
}

/** Whether the work has ended within the limit. */
async function within(limitMs: number, work: Promise<unknown>, clock: Clock): Promise<boolean> {
  const done = new AbortController();
  const expired = clock.sleep(limitMs, done.signal).then(() => false, () => true); // rejected by our own abort only
  const inTime = await Promise.race([work.then(() => true), expired]);
  done.abort();
  return inTime;
}
